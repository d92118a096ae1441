// Form 01 by keyboard: digits choose, Enter goes on, Ctrl+Enter sends; and what is known already is looked up while the
// child's name is typed. The form works without it.

const PAUSE_MS = 600;

function radiosOf(field) {
  return [...field.querySelectorAll('input[type="radio"]')];
}

function fields(form) {
  return [...form.querySelectorAll("input, select, textarea, button, summary")].filter(
    (item) => !item.disabled && item.tabIndex >= 0 && item.type !== "hidden" && item.offsetParent !== null,
  );
}

function byKeyboard(form) {
  const send = form.querySelector('button[name="step"][value="send"]');
  for (const fieldset of form.querySelectorAll("fieldset")) {
    radiosOf(fieldset).forEach((radio, place) => {
      const key = document.createElement("kbd");
      key.textContent = String(place + 1);
      key.setAttribute("aria-hidden", "true");
      radio.after(" ", key);
    });
  }
  form.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(send);
      return;
    }
    const target = event.target;
    if (target.type === "radio" && /^[1-9]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
      const chosen = radiosOf(target.closest("fieldset"))[Number(event.key) - 1];
      if (!chosen) return;
      event.preventDefault();
      chosen.checked = true;
      chosen.focus();
      chosen.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (event.key === "Enter" && target.matches("input, select")) {
      event.preventDefault();
      const order = fields(form);
      // Of one group of choices the next field is the one after the group.
      const rest = order.slice(order.indexOf(target) + 1);
      (target.type === "radio" ? rest.find((item) => item.name !== target.name) : rest[0])?.focus();
    }
  });
}

function whatIsKnown(form) {
  const place = form.querySelector("[data-similar]");
  let timer;
  let request;
  let asked = "";
  async function ask() {
    const values = new URLSearchParams();
    for (const name of ["child_name", "child_number", "child_birth_date", "unit"]) {
      values.set(name, form.elements[name].value.trim());
    }
    const words = values.get("child_name").split(/\s+/).filter(Boolean).length;
    const enough = words > 1 || values.get("child_number").replace(/\D/g, "").length >= 9;
    if (!enough || values.toString() === asked) return;
    asked = values.toString();
    request?.abort();
    request = new AbortController();
    try {
      const answer = await fetch(place.dataset.similar, {
        method: "POST",
        headers: { "X-Form-Token": form.elements.form_token.value, Accept: "text/html" },
        body: values,
        signal: request.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      place.innerHTML = await answer.text();
    } catch {
      // The button beside it asks the same.
      asked = "";
    }
  }
  for (const name of ["child_name", "child_number", "child_birth_date", "unit"]) {
    form.elements[name].addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE_MS);
    });
  }
  ask();
}

for (const form of document.querySelectorAll("form[data-report]")) {
  byKeyboard(form);
  whatIsKnown(form);
}
