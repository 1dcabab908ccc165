// A sheet of paper to write on, with a pen, a finger or the mouse. `element` and `trigger` are given by gradio.
const canvas = element.querySelector("canvas");
const ink = canvas.getContext("2d");
const strokes = [];
let stroke = null;

function paint() {
  ink.fillStyle = "white";
  ink.fillRect(0, 0, canvas.width, canvas.height);
  ink.strokeStyle = "#111";
  ink.lineCap = ink.lineJoin = "round";
  ink.lineWidth = 5;
  for (const points of strokes) {
    ink.beginPath();
    ink.moveTo(...points[0]);
    // A dot is a line that goes nowhere.
    for (const point of points.length > 1 ? points.slice(1) : points) ink.lineTo(...point);
    ink.stroke();
  }
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
}

canvas.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  strokes.push((stroke = [place(event)]));
  paint();
});
canvas.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.push(place(one));
  paint();
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { stroke = null; });
element.addEventListener("click", (event) => {
  if (event.target.closest(".undo")) { strokes.pop(); paint(); }
  else if (event.target.closest(".wipe")) { strokes.length = 0; paint(); }
  else if (event.target.closest(".read") && strokes.length) trigger("submit", { picture: canvas.toDataURL("image/png") });
});
paint();
