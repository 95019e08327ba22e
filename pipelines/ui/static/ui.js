"use strict";
// The pages work without this: here they keep up with a run, follow a log, and copy a command.

const every = 1500; // milliseconds between two looks at a run that changes

// Puts what has changed on the server into the page, part by part, so that reading and the keyboard are not disturbed.
function renew(page) {
  const ticked = [...document.querySelectorAll("input:checked")].map((box) => box.value);
  const chosen = document.activeElement;
  const address = chosen && chosen.getAttribute("href");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (now && now.outerHTML !== part.outerHTML) part.replaceWith(document.adoptNode(now));
  }
  for (const box of document.querySelectorAll("input[type=checkbox]")) box.checked = ticked.includes(box.value);
  if (address && !chosen.isConnected) document.querySelector(`[href="${CSS.escape(address)}"]`)?.focus();
  follow();
}

async function look() {
  if (!document.hidden) {
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      renew(page);
      if (!("changing" in page.body.dataset)) delete document.body.dataset.changing;
    } catch {
      // The server is away; it may come back.
    }
  }
  if ("changing" in document.body.dataset) setTimeout(look, every);
}
if ("changing" in document.body.dataset) setTimeout(look, every);

// Adds what a task prints, byte by byte from where the page ends, until nothing more comes.
async function follow() {
  const log = document.querySelector("[data-follow]:not([data-followed])");
  if (!log) return;
  log.dataset.followed = "";
  log.scrollTop = log.scrollHeight;
  for (let last = false; !last; ) {
    last = !("changing" in document.body.dataset);
    try {
      const answer = await fetch(`${log.dataset.follow}?from=${log.dataset.from}`);
      const text = await answer.text();
      const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      log.append(text);
      if (below) log.scrollTop = log.scrollHeight;
      log.dataset.from = answer.headers.get("Log-Next") ?? log.dataset.from;
      if (text) { last = false; continue; }
    } catch {
      // As above.
    }
    if (!last) await new Promise((done) => setTimeout(done, every / 3));
  }
}
follow();

// A graph that is wider than the window begins in its middle, where its tasks are.
for (const graph of document.querySelectorAll(".graph")) graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

// Two runs are compared: a third tick takes the place of the first.
const order = [];
const pair = document.querySelector("[data-pair]");
if (pair) {
  const compare = pair.querySelector("button");
  const count = () => (compare.disabled = pair.querySelectorAll("input:checked").length !== 2);
  pair.addEventListener("change", ({ target }) => {
    if (target.checked) order.push(target.value);
    else if (order.includes(target.value)) order.splice(order.indexOf(target.value), 1);
    while (order.length > 2) {
      const first = order.shift();
      for (const box of pair.querySelectorAll("input:checked")) if (box.value === first) box.checked = false;
    }
    count();
  });
  count();
}
