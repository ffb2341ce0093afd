// Single keys, which can be switched off.
import { answerFirst, editFields, turnDown } from "./answer.js";

const SWITCH = "backburner-keys";
const ITEMS = ".run, .failure, .card, .asked";

export function enhanceKeys() {
  const help = document.getElementById("help");
  const open = document.getElementById("open-help");
  const on = document.getElementById("keys-on");
  if (!help) return;
  open.hidden = false;
  open.addEventListener("click", () => help.showModal());
  on.checked = isOn();
  on.addEventListener("change", () => localStorage.setItem(SWITCH, on.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !isOn()) return;
    const act = ACTS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

const isOn = () => localStorage.getItem(SWITCH) !== "off";
const here = () => document.activeElement?.closest(ITEMS);

const ACTS = {
  "/": () => document.querySelector(".search input")?.select(),
  "?": () => document.getElementById("help").showModal(),
  j: () => step(1),
  k: () => step(-1),
  x: () => here()?.querySelector(".pick input")?.click(),
  m: () => {
    const item = here()?.querySelector(".pick input");
    if (item && !document.querySelector(".pick input:checked")) item.click();
    document.querySelector("#bulk input[name=subject]")?.focus();
  },
  a: answerFirst,
  r: turnDown,
  e: editFields,
  z: () => document.getElementById("undo")?.requestSubmit(),
};

function step(by) {
  const items = [...document.querySelectorAll(ITEMS)];
  const at = items.indexOf(here());
  const next = items[at < 0 ? (by > 0 ? 0 : items.length - 1) : at + by];
  next?.querySelector("h3 a").focus();
  next?.scrollIntoView({ block: "nearest" });
}
