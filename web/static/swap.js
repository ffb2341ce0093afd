// Puts a newly read page in place of what is shown: only what differs changes, so that focus, scroll and selection stay.

const TOAST_MS = 20_000;
const KEPT = new Set(["open", "draggable"]); // attributes that are the reader's own doing

export function swap(html, only = null) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const region of document.querySelectorAll("[data-region]")) {
    if (only && !only.includes(region.dataset.region)) continue;
    const next = fresh.querySelector(`[data-region="${region.dataset.region}"]`);
    if (next) morph(region, next);
  }
  const [frame, next] = [document, fresh].map((each) => each.querySelector("[data-live]"));
  if (frame && next) Object.assign(frame.dataset, { live: next.dataset.live, again: next.dataset.again });
  document.title = fresh.title || document.title;
  document.dispatchEvent(new Event("swapped"));
}

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || (old.id ?? "") !== (fresh.id ?? "")) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
  } else {
    morphAttributes(old, fresh);
    morphChildren(old, fresh);
  }
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const known = new Map([...old.children].filter((each) => each.id).map((each) => [each.id, each]));
  let at = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    const same = want.id && known.get(want.id);
    if (same) {
      if (same === at) at = at.nextSibling;
      else if (old.moveBefore) old.moveBefore(same, at);
      else old.insertBefore(same, at);
      morph(same, want);
    } else if (at && !at.id && !want.id && at.nodeName === want.nodeName) {
      const next = at.nextSibling;
      morph(at, want);
      at = next;
    } else {
      const made = old.insertBefore(document.importNode(want, true), at);
      if (made.matches?.(".card")) made.classList.add("arrived");
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

export function toast(said, href = null) {
  const box = document.createElement("div");
  box.className = "toast";
  const line = document.createElement("p");
  if (href) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = said;
    line.append(link);
  } else {
    line.textContent = said;
  }
  box.append(line);
  document.getElementById("toasts")?.replaceChildren(box);
  fadeToasts();
}

let fading;

export function fadeToasts() {
  clearTimeout(fading);
  const toasts = document.getElementById("toasts");
  if (!toasts?.childElementCount) return;
  fading = setTimeout(() => {
    if (toasts.matches(":hover, :focus-within")) fadeToasts();
    else toasts.replaceChildren();
  }, TOAST_MS);
}
