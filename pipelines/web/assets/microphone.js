// The microphone: sound goes to the server second by second, and the text so far comes back.
// `element`, `server` and `trigger` are given by gradio.
const button = element.querySelector("button");
const settled = element.querySelector(".settled");
const open = element.querySelector(".open");
const more = element.querySelector(".more");
const live = element.querySelector(".live");
const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process(inputs) { if (inputs[0][0]) this.port.postMessage(inputs[0][0].slice()); return true; }
})`;
let speaking = null;

function say(answer) {
  if (settled.textContent !== answer.settled) settled.textContent = answer.settled;
  open.textContent = answer.open;
  more.textContent = answer.more;
}

function packed(chunks) {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const samples = new Int16Array(size);
  let at = 0;
  for (const chunk of chunks) for (const value of chunk) samples[at++] = Math.max(-1, Math.min(1, value)) * 32767;
  let letters = "";
  const bytes = new Uint8Array(samples.buffer);
  for (let start = 0; start < bytes.length; start += 32768) {
    letters += String.fromCharCode(...bytes.subarray(start, start + 32768));
  }
  return btoa(letters);
}

// One piece is on its way at a time; what is said meanwhile makes the next one longer.
async function send(session) {
  if (!session.size || session.sending) return session.sending;
  const sound = packed(session.chunks);
  session.chunks = [];
  session.size = 0;
  session.sending = server.hear({ token: session.token, rate: session.context.sampleRate, sound });
  try {
    say(await session.sending);
  } catch {
    more.textContent = "The server did not take this piece of sound; what you say may be incomplete.";
  }
  session.sending = null;
}

async function start() {
  live.hidden = false;
  say({ settled: "", open: "", more: "" });
  if (!navigator.mediaDevices?.getUserMedia) {
    more.textContent = "Browsers lend the microphone to https addresses and to this computer alone; upload a file instead.";
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    more.textContent = "There is no microphone, or the browser was told not to lend it; allow it beside the address.";
    return;
  }
  more.textContent = "Getting ready …";
  const begun = await server.hear({});
  if (!begun.token) { stream.getTracks().forEach((track) => track.stop()); say(begun); return; }
  const context = new AudioContext();
  const module = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
  await context.audioWorklet.addModule(module);
  URL.revokeObjectURL(module);
  const session = { token: begun.token, context, stream, chunks: [], size: 0, sending: null };
  const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
  tap.port.onmessage = (event) => {
    session.chunks.push(event.data);
    session.size += event.data.length;
    if (session.size >= context.sampleRate && speaking === session) send(session);
  };
  context.createMediaStreamSource(stream).connect(tap);
  speaking = session;
  more.textContent = "Listening …";
  button.textContent = "Stop and transcribe";
  button.setAttribute("aria-pressed", "true");
}

async function stop() {
  const session = speaking;
  speaking = null;
  button.textContent = "Speak";
  button.setAttribute("aria-pressed", "false");
  session.stream.getTracks().forEach((track) => track.stop());
  await session.context.suspend();
  await send(session);
  await send(session);
  session.context.close();
  live.hidden = true;
  trigger("submit", { token: session.token });
}

button.addEventListener("click", async () => {
  button.disabled = true;
  try { await (speaking ? stop() : start()); } finally { button.disabled = false; }
});
