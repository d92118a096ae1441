// What a page can do beyond HTML: live regions, asking before an irreversible act.
// Every page works without it.

const STALE_AFTER_MS = 40_000;
const sources = new Map();
let lastSign = 0;

function showState(state) {
  for (const box of document.querySelectorAll("[data-live-state]")) {
    if (box.dataset.liveState !== state) {
      box.dataset.liveState = state;
      for (const text of box.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== state;
    }
    const time = box.querySelector("[data-live-time]");
    if (time && lastSign) {
      time.hidden = false;
      time.dateTime = new Date(lastSign).toISOString();
      time.textContent = new Date(lastSign).toLocaleTimeString("vi-VN", { timeZone: "Asia/Ho_Chi_Minh", hour12: false });
    }
  }
}

function replace(region, html) {
  const active = document.activeElement;
  const inside = region.contains(active) ? active : null;
  // Nobody loses what they are typing to an update.
  if (inside && inside.matches("input:not(.fold__all), textarea, select")) return;
  const open = new Set([...region.querySelectorAll("details[open][id], .fold__all:checked")].map((item) => item.id));
  region.innerHTML = html;
  for (const item of region.querySelectorAll("details[id]")) item.open = open.has(item.id);
  for (const item of region.querySelectorAll(".fold__all")) item.checked = open.has(item.id);
  if (inside && inside.id) document.getElementById(inside.id)?.focus();
}

function connect(path) {
  const known = sources.get(path) ?? { last: "", source: null };
  const url = new URL(path, location.href);
  if (known.last) url.searchParams.set("last", known.last);
  const source = new EventSource(url);
  known.source = source;
  sources.set(path, known);
  const alive = () => { lastSign = Date.now(); showState("live"); };
  source.addEventListener("beat", alive);
  source.addEventListener("error", () => {
    showState("lost");
    // The browser itself retries a broken line, but not a refused one.
    if (source.readyState === EventSource.CLOSED && known.source === source) {
      setTimeout(() => { if (known.source === source) connect(path); }, 5000 + Math.random() * 5000);
    }
  });
  // A stream lasts a minute: the next one is asked for as whoever is signed in by then.
  source.addEventListener("again", () => {
    source.close();
    if (known.source === source) connect(path);
  });
  const topics = new Set(regions(path).map((region) => region.dataset.topic));
  for (const topic of topics) {
    source.addEventListener(topic, (event) => {
      known.last = event.lastEventId;
      alive();
      for (const region of regions(path)) if (region.dataset.topic === topic) replace(region, event.data);
    });
  }
}

function regions(path) {
  return [...document.querySelectorAll("[data-live]")].filter((region) => region.dataset.live === path);
}

function openAll() {
  const paths = new Set([...document.querySelectorAll("[data-live]")].map((region) => region.dataset.live));
  for (const path of paths) if (!sources.get(path)?.source) connect(path);
}

function closeAll() {
  for (const known of sources.values()) {
    known.source?.close();
    known.source = null;
  }
}

// A page nobody looks at holds no connection; it catches up from its last event when it is looked at again.
document.addEventListener("visibilitychange", () => (document.hidden ? closeAll() : openAll()));
addEventListener("pagehide", closeAll);
// A page that the browser kept whole is shown again without asking: not once whoever read it has signed out.
const presence = () => /vongtay-present=([^;]*)/.exec(document.cookie)?.[1];
const presentThen = presence();
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  if (presence() === presentThen) openAll();
  else {
    document.body.hidden = true;
    location.reload();
  }
});
setInterval(() => { if (lastSign && Date.now() - lastSign > STALE_AFTER_MS) showState("lost"); }, 5000);

document.addEventListener("submit", (event) => {
  // Lists of children that a page keeps on the device go with the session; answers not sent yet stay locked.
  if (event.target.getAttribute("action") === "/identity/sign-out") {
    sessionStorage.clear();
    localStorage.setItem("vongtay-signed-out", String(Date.now()));
    indexedDB.deleteDatabase("vongtay-field-lists");
  }
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.account[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.account[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Parts that other services make: asked for again and again while somebody looks, each for itself, so that one that
// hangs holds up none of the others.
const PANEL_EVERY_MS = 5000;
const PANEL_PATIENCE_MS = 8000;
async function refreshPanel(region) {
  const lost = region.parentElement.querySelector("[data-panel-lost]");
  try {
    const answer = await fetch(region.dataset.panel, {
      headers: { Accept: "text/html" },
      redirect: "error",
      signal: AbortSignal.timeout(PANEL_PATIENCE_MS),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    // A page that is the same is left alone: nobody loses the button they are about to press.
    if (region.dataset.shown !== html) {
      region.dataset.shown = html;
      replace(region, html);
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}
async function watchPanel(region) {
  if (!document.hidden) await refreshPanel(region);
  setTimeout(watchPanel, PANEL_EVERY_MS, region);
}

document.querySelector("[data-focus]")?.focus();
for (const waiting of document.querySelectorAll("[data-panel-wait]")) waiting.hidden = false;
document.querySelectorAll("[data-panel]").forEach(watchPanel);
if (!document.hidden) openAll();
