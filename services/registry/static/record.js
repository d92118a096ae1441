// While a child's form is typed: what is wrong and what looks wrong, beside each field, and one line more for a carer
// without leaving the page. The server decides the same; every form works without it. Nothing is kept on the device.

const PAUSE_MS = 600;
const form = document.querySelector("form[data-warnings]");

function show(place, text) {
  if (place.textContent === text) return;
  place.textContent = text;
  place.hidden = !text;
}

// Only what somebody has finished is judged: the field being typed in keeps still until it is left or pauses.
function tell({ errors, warnings }) {
  for (const place of form.querySelectorAll("[data-warning]")) {
    const field = place.dataset.warning;
    const wrong = errors[field] ?? warnings[field];
    show(place, wrong ? `▲ ${wrong}` : "");
    const input = form.elements[field];
    if (!(input instanceof HTMLElement)) continue;
    const described = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
    if (wrong) described.push(place.id);
    if (described.length) input.setAttribute("aria-describedby", described.join(" "));
    else input.removeAttribute("aria-describedby");
  }
}

let timer;
let asked = 0;
let dirty = false;

async function ask() {
  const mine = ++asked;
  try {
    const answer = await fetch(form.dataset.warnings, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")),
    });
    if (answer.ok && mine === asked) tell(await answer.json());
  } catch {
    // Without a network nothing is said now; it is when the form is saved.
  }
}

function addCarer(button) {
  const rows = form.querySelectorAll("[data-row]");
  const last = rows[rows.length - 1];
  const number = rows.length + 1;
  const row = last.cloneNode(true);
  const old = `carer${last.dataset.row}_`;
  row.dataset.row = String(number);
  for (const part of row.querySelectorAll("*")) {
    for (const name of ["name", "id", "for"]) {
      const value = part.getAttribute(name);
      if (value) part.setAttribute(name, value.replace(old, `carer${number}_`));
    }
    if (part.matches("input")) part.value = "";
  }
  const legend = row.querySelector("legend");
  legend.textContent = legend.textContent.replace(/\d+/, String(number));
  form.elements.carers.value = String(number);
  last.after(row);
  row.querySelector("input").focus();
  button.hidden = number >= 20;
}

if (form) {
  for (const type of ["input", "change"]) {
    form.addEventListener(type, () => {
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE_MS);
    });
  }
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[value=more-carers]");
    if (!button) return;
    event.preventDefault();
    addCarer(button);
  });
  addEventListener("submit", (event) => { if (event.target === form && !event.defaultPrevented) dirty = false; });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
}
