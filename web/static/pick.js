// Selecting jobs, and dragging them onto a subject.
import { send } from "./forms.js";

const TYPE = "application/x-backburner-jobs";

const picked = () => [...document.querySelectorAll(".pick input:checked")];

export function enhancePicking() {
  prepare();
  document.addEventListener("swapped", prepare);
  document.addEventListener("change", pickBatch);
  document.addEventListener("reset", () => setTimeout(count));
  document.addEventListener("click", pickRange);
  document.addEventListener("dragstart", lift);
  document.addEventListener("dragend", () => document.body.classList.remove("dragging"));
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", (event) => event.target.closest?.("[data-drop]")?.classList.remove("over"));
  document.addEventListener("drop", drop);
}

function prepare() {
  for (const card of document.querySelectorAll(".card")) card.draggable = true;
  for (const link of document.querySelectorAll(".card a, .card img")) link.draggable = false;
  count();
}

export function count() {
  const line = document.getElementById("selected");
  const number = picked().length;
  if (line && number) line.textContent = number === 1 ? line.dataset.one : line.dataset.many.replace("{n}", number);
}

function pickBatch(event) {
  const box = event.target;
  const inBatch = (key) => [...document.querySelectorAll(`[data-batch="${CSS.escape(key)}"] .pick input`)];
  if (box.matches("[data-all]")) {
    for (const each of inBatch(box.dataset.all)) each.checked = box.checked;
  } else if (!box.closest(".pick")) {
    return;
  }
  const key = box.closest("[data-batch]")?.dataset.batch;
  const whole = key && document.querySelector(`[data-all="${CSS.escape(key)}"]`);
  if (whole) whole.checked = inBatch(key).every((each) => each.checked);
  count();
}

let last = null;

function pickRange(event) {
  const box = event.target;
  if (!box.matches?.(".pick input")) return;
  const boxes = [...document.querySelectorAll(".pick input")];
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
  count();
}

function lift(event) {
  const card = event.target.closest?.(".card");
  if (!card) return;
  const chosen = picked().map((box) => box.value);
  const ids = chosen.includes(card.dataset.job) ? chosen : [card.dataset.job];
  event.dataTransfer.setData(TYPE, ids.join(" "));
  event.dataTransfer.effectAllowed = "move";
  document.body.classList.add("dragging");
}

function over(event) {
  const target = event.target.closest?.("[data-drop]");
  if (!target || !event.dataTransfer.types.includes(TYPE)) return;
  event.preventDefault();
  target.classList.add("over");
}

function drop(event) {
  const target = event.target.closest?.("[data-drop]");
  const ids = event.dataTransfer.getData(TYPE);
  if (!target || !ids) return;
  event.preventDefault();
  target.classList.remove("over");
  const fields = new URLSearchParams(ids.split(" ").map((id) => ["job", id]));
  fields.set("subject", target.dataset.drop);
  fields.set("return_to", location.pathname + location.search);
  send("/move", fields);
}
