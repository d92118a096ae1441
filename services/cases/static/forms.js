// While a form of the law is filled in: what it still lacks, what its rated rows add up to, and one row more without
// leaving the page. The server says the same; every form works without it.

const form = document.querySelector("form.law-form");

function answered(part) {
  return [...part.querySelectorAll("input, select, textarea")].some((field) =>
    field.type === "checkbox" || field.type === "radio" ? field.checked : field.value.trim() !== "");
}

// A question nobody answered; of a row that was begun, its columns.
function lacks(part) {
  if (answered(part)) return false;
  return part.dataset.needed !== undefined || answered(part.closest("[data-row]"));
}

function nameOf(part) {
  if (part.dataset.needed !== undefined) return part.dataset.needed;
  const row = part.closest("[data-row]");
  return `${row.closest("[data-rows]").dataset.label} ${Number(row.dataset.row) + 1}: ${part.dataset.column}`;
}

function showMissing() {
  const box = form.querySelector("[data-missing]");
  const list = box.querySelector("[data-missing-list]");
  const count = box.querySelector("[data-missing-count]");
  const lacking = [...form.querySelectorAll("[data-needed], [data-column]")].filter(lacks);
  const known = [...list.querySelectorAll("a")].map((link) => link.textContent).join("|");
  if (known === lacking.map(nameOf).join("|")) return;
  box.hidden = lacking.length === 0;
  count.textContent = count.dataset.missingCount.replace("#", String(lacking.length));
  list.replaceChildren(...lacking.flatMap((part, place) => {
    const link = document.createElement("a");
    link.href = `#${part.id || part.querySelector("input, select, textarea").id}`;
    link.textContent = nameOf(part);
    return place ? [", ", link] : [link];
  }));
}

function showTotals() {
  const box = form.querySelector("[data-totals]");
  if (!box) return;
  const rows = [...form.querySelectorAll("[data-half]")];
  const count = (half, level) => rows.filter((row) =>
    row.dataset.half === half && row.querySelector(`input[value="${level}"]`)?.checked).length;
  for (const shown of box.querySelectorAll("[data-count]")) {
    const [half, level] = shown.dataset.count.split("-");
    shown.textContent = String(count(half, level));
  }
  const whole = rows.every((row) => row.querySelector("input:checked"));
  const harm = { high: count("harm", "high"), medium: count("harm", "medium"), low: count("harm", "low") };
  // The same rule as the server's, which decides.
  const level = harm.high > count("protection", "high") ? "high"
    : harm.high === 0 && harm.low >= harm.medium ? "low" : "medium";
  const suggested = box.querySelector("[data-suggested]");
  suggested.hidden = !whole;
  for (const text of suggested.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== level;
}

function addRow(button) {
  const group = button.closest("[data-rows]");
  const rows = group.querySelectorAll("[data-row]");
  const last = rows[rows.length - 1];
  const number = rows.length;
  const row = last.cloneNode(true);
  const old = `${group.dataset.rows}.${last.dataset.row}.`;
  const fresh = `${group.dataset.rows}.${number}.`;
  const renamed = (text, from, to) => text.split(from).join(to);
  const oldId = `f-${old.replaceAll(".", "-")}`;
  const freshId = `f-${fresh.replaceAll(".", "-")}`;
  for (const part of row.querySelectorAll(".field__error")) part.remove();
  for (const part of row.querySelectorAll("*")) {
    for (const name of ["name", "id", "for", "aria-describedby"]) {
      const value = part.getAttribute(name);
      if (value) part.setAttribute(name, renamed(renamed(value, old, fresh), oldId, freshId));
    }
    part.removeAttribute("aria-invalid");
    part.classList.remove("field--wrong");
    if (part.matches("input[type=checkbox], input[type=radio]")) part.checked = false;
    else if (part.matches("input, textarea")) part.value = "";
    else if (part.matches("select")) part.selectedIndex = 0;
  }
  row.dataset.row = String(number);
  row.setAttribute("aria-label", row.getAttribute("aria-label").replace(/\d+$/, String(number + 1)));
  row.querySelector(".rows__number").textContent = String(number + 1);
  last.after(row);
  row.querySelector("input, select, textarea").focus();
}

if (form) {
  for (const type of ["input", "change"]) form.addEventListener(type, () => { showMissing(); showTotals(); });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-more]");
    if (!button) return;
    event.preventDefault();
    addRow(button);
  });
  showMissing();
  showTotals();
}
