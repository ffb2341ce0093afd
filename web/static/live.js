// Follows the news of the server, and brings the page up to date with them.
import { morph, swap, toast } from "./swap.js";

const POLL_MS = 10_000;
const GAP_MS = 1_000; // between two readings of the whole page
const TICK_MS = 10_000; // of what runs there is less left, also where nothing is said of it

let news = null;
let after = "";
let polling = null;
let ticking = null;

export function follow() {
  const every = document.querySelector("main[data-every]")?.dataset.every;
  if (every) return void setInterval(() => document.hidden || refresh(), every * 1000); // of numbers, not of news
  after = document.querySelector("[data-live]")?.dataset.live ?? "";
  if (!after) return;
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : connect()));
  addEventListener("pagehide", pause); // a stream left open would keep the page out of the back-forward cache
  addEventListener("pageshow", () => document.hidden || connect());
  connect();
}

function connect() {
  ticking ??= setInterval(tick, TICK_MS);
  if (news && news.readyState !== EventSource.CLOSED) return;
  news = new EventSource(`/events?after=${encodeURIComponent(after)}`);
  news.addEventListener("open", () => poll(false));
  news.addEventListener("error", () => poll(true));
  news.addEventListener("hello", keepPlace);
  news.addEventListener("resync", (event) => {
    keepPlace(event);
    refresh();
  });
  news.addEventListener("changed", (event) => {
    keepPlace(event);
    const { jobs, gone } = JSON.parse(event.data);
    jobs.forEach(look);
    if (gone.some(onPage)) refresh();
  });
}

function pause() {
  news?.close();
  news = null;
  clearInterval(ticking);
  ticking = null;
  poll(false);
}

function tick() {
  document.querySelectorAll('.progress[data-status="running"]').forEach((each) => look(each.dataset.progress));
}

function keepPlace(event) {
  after = event.lastEventId || after;
}

function poll(isNeeded) {
  if (!isNeeded) {
    clearInterval(polling);
    polling = null;
  } else {
    polling ??= setInterval(() => {
      refresh();
      connect();
    }, POLL_MS);
  }
}

const onPage = (id) => document.querySelector(`[data-job="${CSS.escape(id)}"]`);

// A job that is shown and is where it was changes in place; all else is read from the page as a whole.
async function look(id) {
  const shown = onPage(id);
  if (!shown) return refresh();
  const isCard = shown.matches(".card");
  // A job that waits may have asked something else meanwhile.
  if (!isCard && (shown.dataset.status === "waiting" || document.querySelector(".asking"))) return refresh();
  const fresh = await part(isCard ? `/fragments/card/${id}` : `/fragments/progress/${id}`);
  if (!fresh || fresh.dataset.status !== shown.dataset.status) {
    if (fresh?.dataset.status === "completed") toast(`“${shown.dataset.title}” is ready`, `/jobs/${id}`);
    return refresh();
  }
  const old = isCard ? shown : shown.querySelector(".progress");
  const subject = (card) => card.querySelector(".subject")?.textContent;
  if (!old || (isCard && subject(old) !== subject(fresh))) return refresh();
  morph(old, fresh);
  document.dispatchEvent(new Event("swapped"));
}

async function part(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
  } catch {
    return null;
  }
}

let waiting = null;
let read = 0;

export function refresh() {
  waiting ??= setTimeout(async () => {
    read = performance.now();
    try {
      const again = document.querySelector("[data-again]")?.dataset.again || location.href;
      const answer = await fetch(again, { headers: { accept: "text/html" } });
      const isStill = document.querySelector("main[data-still]"); // what was just done stays to be read
      if (answer.ok) swap(await answer.text(), isStill ? ["rail"] : ["rail", "main"]);
      if (answer.status === 401) signedOut();
      if (answer.status === 404) toast("This is gone: somebody deleted it.");
    } catch {
      // out of reach; the next try is on its way
    } finally {
      waiting = null;
    }
  }, Math.max(150, GAP_MS - (performance.now() - read)));
}

function signedOut() {
  pause();
  toast("You were signed out.", "/sign-in");
}
