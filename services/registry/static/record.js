// While a child's form is typed: what is wrong and what looks wrong, beside each field, who the child may be already, and
// one line more for a carer without leaving the page. The server decides the same; every form works without it. Nothing is kept on the device.

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

// Who the child may be already, as soon as what tells children apart is filled in: before anything else is typed.
const TELLING = new Set(["name", "birth_date", "age", "sex", "number", "unit", "carer1_name", "carer2_name"]);
let looked = 0;
let last = "";

async function look() {
  const place = form.querySelector("[data-alike-place]");
  const data = new FormData(form);
  const telling = [...TELLING].map((name) => data.get(name) ?? "").join("|");
  if (!place || telling === last) return;
  last = telling;
  const mine = ++looked;
  try {
    const answer = await fetch(form.dataset.alike, { method: "POST", body: new URLSearchParams([...data].filter(([, value]) => typeof value === "string")) });
    if (mine === looked && answer.ok) place.innerHTML = answer.status === 204 ? "" : await answer.text();
  } catch {
    // Without a network it is said when the form is saved.
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
  if (form.dataset.alike) {
    form.addEventListener("change", (event) => { if (TELLING.has(event.target.name)) look(); });
    if (form.elements.name.value) look();
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
