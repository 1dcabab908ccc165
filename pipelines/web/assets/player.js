// The text of a recording: a click on a word plays it, the word being said is marked, and texts are corrected in place.
// `element` (the text), `trigger` and `watch` are given by gradio.
const audio = () => document.querySelector("#speech-player audio");
const mine = (event) => event.target === audio();
let places = [];
let now = null;
let frame = 0;
let kept = null; // paragraphs as they were before correcting

function gather() {
  places = [...element.querySelectorAll(".w")].map((word) => [Number(word.dataset.s), Number(word.dataset.e), word]);
  places.sort((one, other) => one[0] - other[0]);
  if (places.length) places[0][2].tabIndex = 0;
  now = null;
}

// The last word that has begun, unless it ended a while ago.
function wordAt(seconds) {
  let low = 0, high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle][0] <= seconds + 0.02) low = middle + 1; else high = middle;
  }
  const found = places[low - 1];
  return found && seconds < found[1] + 0.3 ? found[2] : null;
}

function follow() {
  const player = audio();
  if (!player) return;
  const seconds = player.currentTime;
  const played = document.querySelector("#speech-player .played");
  if (played && player.duration) played.setAttribute("width", (600 * seconds) / player.duration);
  const word = kept ? null : wordAt(seconds);
  if (word !== now) {
    now?.classList.remove("now");
    now?.removeAttribute("aria-current");
    now = word;
    if (now) {
      now.classList.add("now");
      now.setAttribute("aria-current", "true");
      const box = now.closest(".transcript");
      const inside = now.getBoundingClientRect(), around = box.getBoundingClientRect();
      if (inside.top < around.top || inside.bottom > around.bottom) box.scrollTop += inside.top - around.top - 40;
    }
  }
  // Frames are asked for while it plays, and only then.
  frame = player.paused ? 0 : requestAnimationFrame(follow);
}

// Playing that is broken off, by a pause or another recording, is no failure.
const start = (player) => player.play().catch(() => {});

function play(word) {
  const player = audio();
  if (!player) return;
  player.currentTime = Number(word.dataset.s);
  start(player);
}

function focus(word) {
  element.querySelector('.w[tabindex="0"]')?.removeAttribute("tabindex");
  word.tabIndex = 0;
  word.focus();
}

function correcting(on) {
  element.querySelector(".correct").hidden = on;
  element.querySelector(".done").hidden = element.querySelector(".discard").hidden = !on;
  element.querySelector(".how").hidden = on;
  const paragraphs = [...element.querySelectorAll(".said p")];
  kept = on ? paragraphs.map((paragraph) => paragraph.innerHTML) : null;
  for (const paragraph of paragraphs) {
    if (on) {
      paragraph.contentEditable = "plaintext-only";
      paragraph.setAttribute("role", "textbox");
      paragraph.setAttribute("aria-label", `Text from ${paragraph.dataset.start}`);
      paragraph.spellcheck = true;
    } else {
      for (const name of ["contenteditable", "role", "aria-label", "spellcheck"]) paragraph.removeAttribute(name);
    }
  }
  element.querySelector(".transcript").classList.toggle("open", on);
  (on ? paragraphs[0] : element.querySelector(".correct")).focus();
}

function plain(paragraph) {
  return paragraph.textContent.replace(/\s+/g, " ").trim();
}

function finish(keep) {
  const paragraphs = [...element.querySelectorAll(".said p")];
  const texts = paragraphs.map(plain);
  // What is shown next comes from the server, which knows where the new words lie.
  paragraphs.forEach((paragraph, number) => { paragraph.innerHTML = kept[number]; });
  const changed = texts.some((text, number) => text !== plain(paragraphs[number]));
  correcting(false);
  gather();
  if (keep && changed) trigger("submit", { texts });
}

element.addEventListener("click", (event) => {
  if (event.target.closest(".correct")) correcting(true);
  else if (event.target.closest(".done")) finish(true);
  else if (event.target.closest(".discard")) finish(false);
  else if (!kept && getSelection().isCollapsed) {
    const word = event.target.closest(".w");
    if (word) { focus(word); play(word); }
  }
});
element.addEventListener("keydown", (event) => {
  if (kept) {
    if (event.key === "Escape") finish(false);
    if (event.key === "Enter") { event.preventDefault(); finish(true); }
    return;
  }
  const word = event.target.closest?.(".w");
  if (!word) return;
  const at = places.findIndex((place) => place[2] === word);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && places[at + step]) { event.preventDefault(); focus(places[at + step][2]); }
  if (event.key === "Enter") { event.preventDefault(); play(word); }
  if (event.key === " ") { event.preventDefault(); if (audio()?.paused) start(audio()); else audio()?.pause(); }
});
for (const name of ["play", "seeked", "pause", "loadedmetadata"]) {
  document.addEventListener(name, (event) => { if (mine(event) && !frame) follow(); }, true);
}
document.addEventListener("change", (event) => {
  if (event.target.matches?.("#speech-player .speed")) audio().playbackRate = Number(event.target.value);
});
document.addEventListener("loadstart", (event) => {
  if (!mine(event)) return;
  const speed = document.querySelector("#speech-player .speed");
  audio().defaultPlaybackRate = audio().playbackRate = Number(speed.value);
}, true);
document.addEventListener("click", (event) => {
  const wave = event.target.closest?.("#speech-player .wave");
  if (!wave || !audio()?.duration) return;
  const box = wave.getBoundingClientRect();
  audio().currentTime = ((event.clientX - box.left) / box.width) * audio().duration;
});
watch("value", () => { kept = null; gather(); follow(); });
gather();
