"use strict";
// The pages work without this: here they keep up with a run, follow a log, and copy a command.

// Milliseconds between two looks at what changes; none when nothing does any more.
const every = () => Number(document.body.dataset.changing);

// The parts that may change, as the server sent them last: what a reader opened or ticked is no change.
const sent = new Map();
for (const part of document.querySelectorAll("[data-live]")) sent.set(part.id, part.outerHTML);

// Puts what has changed on the server into the page, part by part, so that reading and the keyboard are not disturbed.
function renew(page) {
  const ticked = [...document.querySelectorAll("input:checked")].map((box) => box.value);
  const chosen = document.activeElement;
  const address = chosen && chosen.getAttribute("href");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (!now) return location.reload(); // it is another page by now
    if (now.outerHTML === sent.get(part.id)) continue;
    sent.set(part.id, now.outerHTML);
    part.replaceWith(document.adoptNode(now));
  }
  for (const box of document.querySelectorAll("input[type=checkbox]")) box.checked = ticked.includes(box.value);
  if (address && !chosen.isConnected) document.querySelector(`[href="${CSS.escape(address)}"]`)?.focus();
  follow();
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) throw answer;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      renew(page);
      if (!("changing" in page.body.dataset)) delete document.body.dataset.changing;
    } catch {
      // The server is away, or the run's folder; it may come back.
    }
  }
  if (every()) setTimeout(look, every());
}
if (every()) setTimeout(look, every());

const most = 2e6; // characters of a log that a page keeps

// Adds what a task prints, byte by byte from where the page ends, until nothing more comes.
async function follow() {
  const log = document.querySelector("[data-follow]:not([data-followed])");
  if (!log) return;
  log.dataset.followed = "";
  log.scrollTop = log.scrollHeight;
  for (let last = false; !last; ) {
    last = !every();
    try {
      const answer = await fetch(`${log.dataset.follow}?from=${log.dataset.from}`);
      if (!answer.ok) throw answer;
      const text = await answer.text();
      const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      log.append(text);
      if (log.textContent.length > most) log.textContent = log.textContent.slice(-most / 2);
      if (below) log.scrollTop = log.scrollHeight;
      log.dataset.from = answer.headers.get("Log-Next") ?? log.dataset.from;
      if (text) { last = false; continue; }
    } catch {
      // As above.
    }
    if (!last) await new Promise((done) => setTimeout(done, 500));
  }
}
follow();

// A card says how tall it is, so that it needs no scrollbar of its own. It is not trusted: all it can be is tall.
const tallest = 20_000; // pixels
const frames = () => [...document.querySelectorAll("iframe.card")];
addEventListener("message", ({ source, data }) => {
  const frame = frames().find((one) => one.contentWindow === source);
  if (frame && data >= 1) frame.style.height = `${Math.min(Math.ceil(data), tallest)}px`;
});
for (const frame of frames()) frame.contentWindow.postMessage("", "*"); // it may have spoken before

// A graph that is wider than the window begins in its middle, where its tasks are.
for (const graph of document.querySelectorAll(".graph")) graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;

if (navigator.clipboard) document.documentElement.classList.add("copies");
document.addEventListener("click", async ({ target }) => {
  if (!target.matches("[data-copy]")) return;
  await navigator.clipboard.writeText(target.parentElement.querySelector("code").textContent);
  target.textContent = "Copied";
  setTimeout(() => (target.textContent = "Copy"), 2000);
});

// Two runs or more are compared, up to as many as one can tell apart.
const form = document.querySelector("[data-most]");
if (form) {
  const count = () => {
    const ticked = form.querySelectorAll("input:checked").length;
    form.querySelector("button").disabled = ticked < 2 || ticked > Number(form.dataset.most);
  };
  form.addEventListener("change", count);
  count();
}
