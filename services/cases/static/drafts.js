// Keeps what somebody types, a second after they pause: forms with data-draft (where to save) and data-draft-version.
// Nothing is kept on the device. Every form works without it.

const PAUSE_MS = 1000;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 30000;

class Draft {
  constructor(form) {
    this.form = form;
    this.version = form.dataset.draftVersion;
    this.dirty = false;
    this.saving = false;
    this.over = false;
    this.wait = FIRST_RETRY_MS;
    for (const type of ["input", "change"]) form.addEventListener(type, () => this.touched());
    // At the window: whoever asks first whether it is meant has asked by then.
    addEventListener("submit", (event) => { if (event.target === form && !event.defaultPrevented) this.stop(); });
    addEventListener("online", () => this.soon(0));
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.soon(0); });
    addEventListener("pagehide", () => this.save(true));
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    addEventListener("beforeunload", (event) => { if (this.dirty && !this.over) event.preventDefault(); });
  }

  touched() {
    if (this.over) return;
    this.dirty = true;
    this.soon(PAUSE_MS);
  }

  soon(ms) {
    clearTimeout(this.timer);
    if (this.dirty && !this.over) this.timer = setTimeout(() => this.save(false), ms);
  }

  stop() {
    this.over = true;
    clearTimeout(this.timer);
    this.request?.abort();
  }

  async save(leaving) {
    clearTimeout(this.timer);
    if (!this.dirty || this.saving || this.over) return;
    this.saving = true;
    this.dirty = false;
    this.show("saving");
    const fields = new FormData(this.form);
    const token = fields.get("form_token");
    fields.delete("form_token");
    this.request = new AbortController();
    try {
      const answer = await fetch(this.form.dataset.draft, {
        method: "PUT",
        headers: { "X-Form-Token": token, "If-Match": `"${this.version}"`, Accept: "application/json" },
        body: new URLSearchParams([...fields].filter(([, value]) => typeof value === "string")),
        keepalive: leaving,
        signal: this.request.signal,
      });
      if (answer.ok) this.saved(await answer.json());
      else if (answer.status === 409) { this.stop(); this.show("changed"); }
      // It will be refused again until something is taken out of it.
      else if (answer.status === 413 || answer.status === 422) { this.dirty = this.failed = true; this.show("refused"); }
      else throw new Error(String(answer.status));
    } catch {
      if (!this.over) this.again();
    } finally {
      this.saving = false;
      if (this.dirty && !this.failed) this.soon(PAUSE_MS);
    }
  }

  saved({ version, saved_at: time }) {
    this.version = String(version);
    this.form.dataset.draftVersion = this.version;
    const shown = this.form.querySelector("[data-draft-time]");
    if (shown) shown.textContent = time;
    this.failed = false;
    this.wait = FIRST_RETRY_MS;
    this.show("saved");
  }

  again() {
    this.dirty = true;
    this.failed = true;
    this.show("failed");
    this.soon(this.wait);
    this.wait = Math.min(this.wait * 2, LAST_RETRY_MS);
  }

  show(state) {
    const box = this.form.querySelector("[data-draft-state]");
    if (!box || box.dataset.state === state) return;
    // A short "saving" after every pause would only flicker, and be read aloud.
    if (state === "saving" && box.dataset.state) return;
    box.dataset.state = state;
    for (const text of box.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== state;
  }
}

for (const form of document.querySelectorAll("form[data-draft]")) new Draft(form);
