// A page and its text: whatever line is pointed at, here or there, is lit in both; texts are corrected in place.
// `element`, `trigger` and `watch` are given by gradio.
let kept = null; // lines as they were before correcting

function light(line) {
  for (const lit of element.querySelectorAll(".lit")) lit.classList.remove("lit");
  if (line === undefined) return;
  for (const part of element.querySelectorAll(`[data-line="${line}"]`)) part.classList.add("lit");
}

const lineOf = (event) => event.target.closest?.("[data-line]")?.dataset.line;

function reveal(part) {
  const box = part?.closest(".transcript, .paper");
  if (!box) return;
  const inner = part.getBoundingClientRect(), outer = box.getBoundingClientRect();
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - outer.height / 3;
}

function correcting(on) {
  element.querySelector(".correct").hidden = on;
  element.querySelector(".done").hidden = element.querySelector(".discard").hidden = !on;
  element.querySelector(".how").hidden = on;
  const lines = [...element.querySelectorAll("p.line")];
  kept = on ? lines.map((line) => line.innerHTML) : null;
  lines.forEach((line, number) => {
    if (on) {
      line.contentEditable = "plaintext-only";
      line.setAttribute("role", "textbox");
      line.setAttribute("aria-label", `Line ${number + 1}`);
      line.spellcheck = true;
    } else {
      for (const name of ["contenteditable", "role", "aria-label", "spellcheck"]) line.removeAttribute(name);
    }
  });
  element.querySelector(".transcript").classList.toggle("open", on);
  (on ? lines[0] : element.querySelector(".correct")).focus();
}

const plain = (line) => line.textContent.replace(/\s+/g, " ").trim();

function finish(keep) {
  const lines = [...element.querySelectorAll("p.line")];
  const texts = lines.map(plain);
  // What is shown next comes from the server, which knows where the new words stand.
  lines.forEach((line, number) => { line.innerHTML = kept[number]; });
  const changed = texts.some((text, number) => text !== plain(lines[number]));
  correcting(false);
  if (keep && changed) trigger("submit", { texts });
}

element.addEventListener("pointerover", (event) => light(lineOf(event)));
element.addEventListener("focusin", (event) => {
  const line = lineOf(event);
  if (line === undefined) return;
  light(line);
  reveal(element.querySelector(`polygon[data-line="${line}"]`));
});
element.addEventListener("click", (event) => {
  if (event.target.closest(".correct")) correcting(true);
  else if (event.target.closest(".done")) finish(true);
  else if (event.target.closest(".discard")) finish(false);
  else {
    const line = lineOf(event);
    const text = line !== undefined && element.querySelector(`p.line[data-line="${line}"]`);
    if (text && event.target.closest("svg")) { reveal(text); text.focus({ preventScroll: true }); }
  }
});
element.addEventListener("keydown", (event) => {
  const lines = [...element.querySelectorAll("p.line")];
  const at = lines.indexOf(event.target.closest?.("p.line"));
  if (at < 0) return;
  if (kept && event.key === "Escape") finish(false);
  const step = { ArrowDown: 1, ArrowUp: -1, Enter: kept ? 1 : 0 }[event.key];
  if (kept && event.key === "Enter") event.preventDefault();
  if (step && lines[at + step]) { event.preventDefault(); lines[at + step].focus(); }
});
watch("value", () => { kept = null; });
