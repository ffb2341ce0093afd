// A recording and its transcript in step: what is said is marked as it is heard, and a click on words plays them.
const player = document.querySelector("audio");
const said = [...document.querySelectorAll(".said")];
const chapters = [...document.querySelectorAll("nav.chapters a[data-t]")];
const wave = document.querySelector(".wave");
const follow = document.querySelector("button.follow");
const speed = document.querySelector("button.speed");
const now = document.querySelector(".now");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const SPEEDS = [1, 1.25, 1.5, 1.75, 2, 0.75];
const begins = said.map((each) => Number(each.dataset.t));
const opens = chapters.map((each) => Number(each.dataset.t));
let marked = null, opened = null, following = true, ours = 0;

const last = (times, at) => {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at + 0.05) low = middle + 1; else high = middle;
  }
  return low - 1;
};

const clock = (seconds) => {
  const whole = Math.floor(seconds), hours = Math.floor(whole / 3600);
  const two = (number) => String(number).padStart(2, "0");
  return (hours ? hours + ":" + two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) + ":" + two(whole % 60);
};

const show = (element) => {
  ours = performance.now();
  element.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
};

const step = () => {
  const at = player.currentTime;
  const line = said[last(begins, at)] ?? null;
  if (line !== marked) {
    marked?.classList.remove("here");
    line?.classList.add("here");
    marked = line;
    if (line && following && !player.paused) show(line);
  }
  const chapter = chapters[last(opens, at)] ?? null;
  if (chapter !== opened) {
    opened?.removeAttribute("aria-current");
    chapter?.setAttribute("aria-current", "true");
    opened = chapter;
    if (now) now.textContent = chapter ? chapter.querySelector(".name").textContent : "";
  }
  if (wave && player.duration) {
    wave.style.setProperty("--played", (100 * at / player.duration).toFixed(2) + "%");
    wave.setAttribute("aria-valuenow", String(Math.round(at)));
    wave.setAttribute("aria-valuetext", clock(at) + " of " + clock(player.duration));
  }
};

const play = (at, isScrolled) => {
  player.currentTime = at;
  setFollowing(true);
  player.play().catch(() => {});
  step();
  if (isScrolled && marked) show(marked);
};

const setFollowing = (is) => {
  following = is;
  follow?.setAttribute("aria-pressed", String(is));
};

if (player) {
  document.documentElement.classList.add("in-step");
  document.querySelectorAll("[data-needs-script]").forEach((each) => { each.hidden = false; });
  ["timeupdate", "seeked", "loadedmetadata", "play"].forEach((event) => player.addEventListener(event, step));
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-t]");
    if (!target || (target.matches(".said") && String(getSelection()))) return;
    event.preventDefault();
    play(Number(target.dataset.t), !target.matches(".said"));
  });
  wave?.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    play(player.duration * (event.clientX - box.left) / box.width, true);
  });
  wave?.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -60, PageUp: 60 }[event.key];
    const to = { Home: 0, End: player.duration - 1 }[event.key] ?? (by && player.currentTime + by);
    if (to === undefined || !player.duration) return;
    event.preventDefault();
    player.currentTime = Math.max(0, Math.min(to, player.duration));
  });
  follow?.addEventListener("click", () => {
    setFollowing(!following);
    if (following && marked) show(marked);
  });
  ["wheel", "touchmove"].forEach((event) => addEventListener(event, () => {
    if (!player.paused && performance.now() - ours > 400) setFollowing(false);
  }, { passive: true }));
  speed?.addEventListener("click", () => {
    const next = SPEEDS[(SPEEDS.indexOf(player.playbackRate) + 1) % SPEEDS.length];
    player.playbackRate = next;
    speed.textContent = next + "×";
    speed.setAttribute("aria-label", "Speed: " + next);
  });
  addEventListener("keydown", (event) => {
    if (event.target.closest("audio, button, a, input, [role=slider]") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === " " || event.key === "k") player.paused ? player.play().catch(() => {}) : player.pause();
    else if (event.key === "j") player.currentTime -= 10;
    else if (event.key === "l") player.currentTime += 10;
    else return;
    event.preventDefault();
  });
  const asked = /^#t(\d+(?:\.\d+)?)$/.exec(location.hash);
  if (asked) player.currentTime = Number(asked[1]);
}
