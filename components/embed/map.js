// The map of faces: drag to move, wheel or two fingers to zoom, a tap to see who it is. Without this script it stands still.
"use strict";
const map = document.querySelector(".map");
const faces = [...map.querySelectorAll(".place")];
const told = document.querySelector("#told");
const wanted = document.querySelector("#wanted");
const split = document.querySelector("#split");
const pointers = new Map();
let view = { zoom: 1, x: 0, y: 0 }; // where the map's corner lies, as a share of the frame
let chosen = null;
let moved = 0;

function draw() {
  const least = 1 - view.zoom; // the map never leaves its frame
  view.x = Math.min(0, Math.max(least, view.x));
  view.y = Math.min(0, Math.max(least, view.y));
  for (const [name, value] of Object.entries(view)) map.style.setProperty(`--${name}`, value);
  map.style.setProperty("--grow", Math.sqrt(view.zoom));
  map.classList.toggle("zoomed", view.zoom > 1);
}

function zoom(factor, x = 0.5, y = 0.5) {
  const next = Math.min(20, Math.max(1, view.zoom * factor));
  view.x = x - (x - view.x) * next / view.zoom;
  view.y = y - (y - view.y) * next / view.zoom;
  view.zoom = next;
  draw();
}

function mark() {
  const text = wanted.value.trim().toLowerCase();
  for (const face of faces) {
    const other = chosen ? face.title !== chosen.title : text && !face.title.toLowerCase().includes(text);
    face.classList.toggle("dim", Boolean(other || (split.value && face.dataset.split !== split.value)));
    face.classList.toggle("chosen", face === chosen);
  }
  told.textContent = chosen ? `${chosen.title}: ${chosen.dataset.photo} (${chosen.dataset.split})` : "";
}

function choose(face) {
  chosen = face === chosen ? null : face;
  mark();
}

function place(event) {
  const box = map.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

map.addEventListener("wheel", event => {
  event.preventDefault();
  const { x, y } = place(event);
  zoom(Math.exp(-event.deltaY / 400), x, y);
}, { passive: false });
map.addEventListener("pointerdown", event => {
  if (!pointers.size) moved = 0;
  pointers.set(event.pointerId, place(event));
});
window.addEventListener("pointermove", event => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = place(event);
  const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
  moved += Math.hypot(now.x - before.x, now.y - before.y);
  pointers.set(event.pointerId, now);
  if (other) {
    const apart = Math.hypot(before.x - other.x, before.y - other.y);
    if (apart) zoom(Math.hypot(now.x - other.x, now.y - other.y) / apart, (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else {
    view.x += now.x - before.x;
    view.y += now.y - before.y;
    draw();
  }
});
for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, event => pointers.delete(event.pointerId));
map.addEventListener("click", event => {
  if (moved < 0.01) choose(event.target.closest(".place"));
});
map.addEventListener("keydown", event => {
  const step = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
  if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5);
  else if (step) [view.x, view.y] = [view.x + step[0], view.y + step[1]];
  else return;
  event.preventDefault();
  draw();
});
document.querySelector("#nearer").addEventListener("click", () => zoom(1.5));
document.querySelector("#farther").addEventListener("click", () => zoom(1 / 1.5));
document.querySelector("#whole").addEventListener("click", () => { view = { zoom: 1, x: 0, y: 0 }; choose(chosen); draw(); });
wanted.addEventListener("input", () => { chosen = null; mark(); });
split.addEventListener("input", mark);
document.querySelector(".controls").hidden = false;
draw();
