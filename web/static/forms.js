// Sends forms without leaving the page; the answer is the page as it is afterwards.
import { fadeToasts, swap, toast } from "./swap.js";

export function enhanceForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-enhance]")) return;
    event.preventDefault();
    send(form.action, new URLSearchParams(new FormData(form, event.submitter))).then((done) => done && form.reset());
  });
}

export async function send(url, fields) {
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body: fields, headers: { accept: "text/html" } });
  } catch {
    toast("Backburner cannot be reached. Nothing was changed.");
    return false;
  }
  const html = await answer.text();
  if (!answer.ok) {
    toast(new DOMParser().parseFromString(html, "text/html").querySelector("[role=alert]")?.textContent ?? "That did not work.");
    return false;
  }
  for (const box of document.querySelectorAll(".pick input:checked")) box.checked = false;
  swap(html);
  fadeToasts();
  return true;
}
