// The inbox's button for notifications of this browser: asks for permission, subscribes, tells the platform; and takes it
// back. Without it, or where a browser knows no push, everything else works.
const box = document.querySelector("[data-push-key]");

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));

const ask = (path, body) =>
  fetch(`/notify/api/subscriptions${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-form-token": document.querySelector('input[name="form_token"]').value,
    },
    body: JSON.stringify(body),
  });

const say = (name) => {
  for (const line of box.querySelectorAll("[data-push-said]")) line.hidden = line.dataset.pushSaid !== name;
};

const show = (subscription) => {
  box.querySelector("[data-push-on]").hidden = subscription !== null;
  box.querySelector("[data-push-off]").hidden = subscription === null;
};

const switchOn = async (registration) => {
  if ((await Notification.requestPermission()) !== "granted") return say("refused");
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytesOf(box.dataset.pushKey),
  });
  const answer = await ask("", {
    channel: "push",
    name: box.dataset.pushName,
    target: JSON.stringify(subscription),
    event_types: ["told"],
    language: document.documentElement.lang,
  });
  if (!answer.ok) {
    await subscription.unsubscribe();
    return say("failed");
  }
  const made = await answer.json();
  localStorage.setItem("vongtay-push", made.id);
  show(subscription);
  // The first message brings a code, which is typed on this page: then the browser is known to be this person's.
  if (!made.verified) return location.assign(`/notify/subscriptions/${made.id}#proof`);
  return say("on");
};

const switchOff = async (registration) => {
  const subscription = await registration.pushManager.getSubscription();
  const id = localStorage.getItem("vongtay-push");
  if (id) await ask(`/${id}/delete`, {});
  if (subscription) await subscription.unsubscribe();
  localStorage.removeItem("vongtay-push");
  show(null);
  return say("off");
};

if (box && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window) {
  const registration = await navigator.serviceWorker.register("/notify/worker.js", { scope: "/notify/" });
  show(await registration.pushManager.getSubscription());
  const act = (button, what) =>
    box.querySelector(button).addEventListener("click", () => what(registration).catch(() => say("failed")));
  act("[data-push-on]", switchOn);
  act("[data-push-off]", switchOff);
  box.hidden = false;
}
