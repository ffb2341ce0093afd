// Answering questions: a reason where one is needed, and no answer by a thumb that was quicker than the page.
const SETTLE_MS = 700;

let shown = "";
let since = -Infinity;

const questions = () => [...document.querySelectorAll("form.answer")].map((form) => form.id).join(" ");

// A question that has just come under the thumb takes no answer yet: the press was meant for the one before.
export const isSettled = (form) => !form.matches(".answer") || performance.now() - since > SETTLE_MS;

export function enhanceAnswers() {
  shown = questions();
  document.addEventListener("swapped", () => {
    if (questions() === shown) return;
    shown = questions();
    since = performance.now();
  });
  document.addEventListener("sent", ({ detail }) => arrive(detail.isDone));
  document.addEventListener("click", askWhy);
  document.addEventListener("input", (event) => event.target.matches?.(".notes textarea") && event.target.setCustomValidity(""));
}

function arrive(isDone) {
  const find = (what) => (isDone ? null : document.querySelector(what));
  const wrong = find("[aria-invalid]") ?? find(".became, .wrong");
  if (wrong) {
    wrong.focus();
    wrong.scrollIntoView({ block: "center" });
  } else if (document.querySelector(".inbox")) {
    (document.querySelector(".asking .question h2") ?? document.getElementById("main")).focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }
}

function askWhy(event) {
  const button = event.target.closest?.(".choices button");
  const notes = button?.form.elements.notes;
  if (!notes) return;
  notes.setCustomValidity("");
  if (!("reason" in button.dataset) || notes.value.trim()) return;
  event.preventDefault();
  notes.setCustomValidity(`Say why, then press “${button.innerText.trim()}” again.`);
  notes.focus();
  notes.reportValidity();
}

// Single keys, on the question in front.
export function answerFirst() {
  document.querySelector(".asking .choices .primary")?.click();
}

export function turnDown() {
  document.querySelector(".asking .choices [data-reason]")?.click();
}

export function editFields() {
  const text = document.querySelector(".asking .edit");
  if (text) text.open = true;
  document.querySelector(".asking .edit textarea, .asking .fields :is(input, textarea, select), .asking .notes textarea")?.focus();
}
