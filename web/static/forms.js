// Sends forms without leaving the page; the answer is the page as it is afterwards.
import { isSettled } from "./answer.js";
import { fadeToasts, swap, toast } from "./swap.js";

export function enhanceForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-enhance]") || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    if (!isSettled(form)) return;
    form.inert = true;
    send(form.action, new URLSearchParams(new FormData(form, event.submitter))).then((done) => {
      form.inert = false;
      if (done) form.reset();
    });
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
  // A refusal that is a page of its own shows what to mend, or what has become of it.
  const isPage = html.includes('data-region="main"');
  if (!answer.ok && !isPage) {
    toast(new DOMParser().parseFromString(html, "text/html").querySelector("[role=alert]")?.textContent ?? "That did not work.");
    return false;
  }
  const isAnswer = url.includes("/waiting/"); // leaves alone what is ticked for later
  for (const box of isAnswer ? [] : document.querySelectorAll(".pick input:checked")) box.checked = false;
  if (answer.url !== location.href) history.replaceState(null, "", answer.url);
  swap(html);
  fadeToasts();
  document.dispatchEvent(new CustomEvent("sent", { detail: { isDone: answer.ok } }));
  return answer.ok;
}
