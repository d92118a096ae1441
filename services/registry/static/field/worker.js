// Answers for the server while it is out of reach: one page that holds nothing about anybody, and what it needs. CONFIG
// comes before this text. It keeps nothing else: no page of a child, no answer of the API, ever lies in its cache.

const CACHE = `vongtay-field-${CONFIG.version}`;
const PATIENCE_MS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE)
      // Without the session: the page is kept as a stranger sees it.
      .then((cache) => cache.addAll([CONFIG.shell, ...CONFIG.assets].map((url) => new Request(url, { credentials: "omit", cache: "reload" }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("vongtay-field-") && name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/")) event.respondWith(asset(request, url));
});

async function page(request) {
  const gaveUp = new AbortController();
  const timer = setTimeout(() => gaveUp.abort(), PATIENCE_MS);
  try {
    return await fetch(request, { signal: gaveUp.signal });
  } catch {
    return (await kept(CONFIG.shell, {})) ?? Response.error();
  } finally {
    clearTimeout(timer);
  }
}

async function asset(request, url) {
  // An address with its content's mark never changes; any other is asked for again while one can.
  const exact = url.search && (await kept(request.url, {}));
  if (exact) return exact;
  try {
    return await fetch(request);
  } catch {
    return (await kept(request.url, { ignoreSearch: true })) ?? Response.error();
  }
}

async function kept(url, options) {
  return (await caches.open(CACHE)).match(url, { ignoreVary: true, ...options });
}
