// Shows what a push message says, and opens where it leads. It keeps nothing and fetches nothing.
self.addEventListener("push", (event) => {
  const said = event.data ? event.data.json() : {};
  event.waitUntil(
    self.registration.showNotification(said.title || "Vòng Tay", {
      body: said.body || "",
      tag: said.tag,
      lang: said.lang,
      icon: "/static/mark.svg",
      requireInteraction: Boolean(said.urgent),
      renotify: Boolean(said.urgent && said.tag),
      data: { link: said.link },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const link = new URL(event.notification.data?.link || "/notify/", self.location.origin);
  // What leads elsewhere is none of ours.
  const path = link.origin === self.location.origin ? link.href : `${self.location.origin}/notify/`;
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then((open) => {
      const known = open.find((window) => window.url === path);
      return known ? known.focus() : self.clients.openWindow(path);
    }),
  );
});
