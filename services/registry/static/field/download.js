// Takes a list to the device, on purpose only. Shown where the browser can keep it sealed.

import { download } from "./sending.js";

const part = document.querySelector("[data-download]");
if (part && isSecureContext && "serviceWorker" in navigator && "locks" in navigator) {
  part.hidden = false;
  const button = part.querySelector("[data-download-button]");
  const state = part.querySelector("[data-download-state]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    state.textContent = state.dataset.working;
    try {
      await navigator.serviceWorker.register("/registry/field/worker.js", { scope: "/registry/field" });
      await navigator.serviceWorker.ready;
      await download(part.dataset.download);
      await navigator.storage?.persist?.();
      location.assign("/registry/field/phone");
    } catch {
      state.textContent = state.dataset.failed;
      button.disabled = false;
    }
  });
}
