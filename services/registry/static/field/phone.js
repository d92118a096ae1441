// The round on the device: lists, one child after the other, and answers that need a person. Everything typed is kept
// before anything is sent; nothing is deleted but what the server has taken, or what the person throws away.

import * as device from "./device.js";
import { sendAll, session, unlock } from "./sending.js";

const view = document.querySelector("[data-view]");
const line = document.querySelector("[data-line]");
const texts = Object.fromEntries([...document.getElementById("t-texts").content.querySelectorAll("[data-key]")].map((item) => [item.dataset.key, item.textContent]));
const say = (key, values = {}) => Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), texts[key] ?? key);
const made = (id) => document.getElementById(id).content.cloneNode(true);
const when = (text) => new Date(text).toLocaleString("vi-VN", { timeZone: "Asia/Ho_Chi_Minh", hour: "2-digit", minute: "2-digit", day: "2-digit", month: "2-digit", year: "numeric", hour12: false });
const words = (name, text) => !text ? say(name === "circumstances" ? "no-circumstances" : "unclear") : name === "circumstances" ? text.split(",").map((code) => say(`circumstance-${code}`)).join("\n") : text;
const labelOf = (list) => list.hamlet ?? say(`list-${list.kind}`);

// Everything on the device that this tab can open.
async function everything() {
  const found = { lists: [], answers: [], locked: 0 };
  for (const kept of await device.lists()) {
    const keys = await device.keysOf(kept.id);
    const list = keys && (await device.openList(kept, keys));
    if (list) found.lists.push({ kept, keys, list });
    else found.locked += 1;
  }
  for (const kept of await device.answers()) {
    const keys = await device.keysOf(kept.list_id);
    const opened = keys && (await device.openAnswer(kept, keys));
    if (opened) found.answers.push({ kept, keys, ...opened });
    else found.locked += 1;
  }
  return found;
}

function progress(list, answered) {
  const part = made("t-progress");
  const done = list.children.filter((child) => child.done || answered.has(child.child_id)).length;
  part.querySelector("progress").max = list.children.length;
  part.querySelector("progress").value = done;
  part.querySelector("b").textContent = `${done}/${list.children.length}`;
  return part;
}

const answeredOf = (all, listId) => new Map(all.answers.filter((item) => item.kept.list_id === listId).map((item) => [item.kept.child_id, item]));
const nextOf = (list, answered, number) => {
  const waiting = list.children.filter((child) => !child.done && !answered.has(child.child_id)).map((child) => child.number);
  return waiting.find((place) => place > number) ?? waiting[0];
};

function row(list, child, item) {
  const line = document.createElement("li");
  const link = document.createElement(child.done ? "span" : "a");
  link.className = "row";
  if (!child.done) link.href = `#/${list.list_id}/${child.number}`;
  link.append(`${child.number}. ${child.done ? "" : child.texts.name || say("unclear")}`);
  if (child.done || item) {
    const badge = document.createElement("span");
    badge.className = child.done ? "badge badge--success" : "badge badge--warning";
    badge.textContent = child.done ? "✓" : say(item.kept.state === "queued" ? "waiting" : "look");
    link.append(badge);
  }
  line.append(link);
  return line;
}

async function home() {
  const all = await everything();
  const parts = [];
  if (all.locked) parts.push(made("t-locked"));
  const problems = all.answers.filter((item) => item.kept.state !== "queued");
  if (problems.length) {
    const title = document.createElement("h2");
    title.textContent = say("problems");
    parts.push(title, ...problems.map((item) => problem(item, all)));
  }
  for (const { list } of all.lists) {
    const answered = answeredOf(all, list.list_id);
    const queued = [...answered.values()].filter((item) => item.kept.state === "queued").length;
    const part = made("t-home");
    part.querySelector("[data-label]").textContent = labelOf(list);
    part.querySelector("[data-progress]").append(progress(list, answered));
    part.querySelector("[data-kept]").textContent = say("kept", { until: when(list.until) });
    part.querySelector("[data-queue]").textContent = say("queue", { n: queued });
    part.querySelector("[data-send]").addEventListener("click", () => sync(true));
    part.querySelector("[data-drop]").addEventListener("click", async () => {
      if (!confirm(say("drop"))) return;
      await device.dropList(list.list_id);
      await show();
    });
    const next = nextOf(list, answered, 0);
    const open = part.querySelector("[data-open]");
    if (next) open.href = `#/${list.list_id}/${next}`;
    else open.remove();
    part.querySelector("[data-rows]").append(...list.children.map((child) => row(list, child, answered.get(child.child_id))));
    parts.push(part);
  }
  // Answers whose list is gone from the device: they are sent all the same.
  const alone = all.answers.filter((item) => item.kept.state === "queued" && !all.lists.some(({ list }) => list.list_id === item.kept.list_id)).length;
  if (alone) {
    const said = document.createElement("p");
    said.textContent = say("queue", { n: alone });
    parts.push(said);
  }
  if (!parts.length) parts.push(made("t-empty"));
  view.replaceChildren(...parts);
}

function problem({ kept, keys, answer, outcome }, all) {
  const part = made("t-problem");
  part.querySelector("[data-who]").textContent = answer.seen.name || say("unclear");
  part.querySelector("[data-forget]").addEventListener("click", async () => {
    if (!confirm(say("forget"))) return;
    await device.dropAnswer(kept.id);
    await show();
  });
  const edit = part.querySelector("[data-edit]");
  const list = all.lists.find((one) => one.list.list_id === kept.list_id)?.list;
  const child = list?.children.find((one) => one.child_id === kept.child_id && !one.done);
  if (child) edit.href = `#/${kept.list_id}/${child.number}`;
  else edit.remove();
  const why = part.querySelector("[data-why]");
  if (kept.state === "refused") {
    const said = document.createElement("p");
    said.textContent = say("refused");
    const rules = document.createElement("ul");
    for (const violation of outcome.violations) {
      const rule = document.createElement("li");
      rule.textContent = document.documentElement.lang === "en" ? violation.message_en : violation.message_vi;
      rules.append(rule);
    }
    why.append(said, rules);
    return part;
  }
  const form = part.querySelector("[data-choose]");
  form.hidden = false;
  for (const clash of outcome.clashes) {
    const side = made("t-clash");
    side.querySelector("[data-field]").textContent = labels[clash.field];
    side.querySelector("[data-mine]").textContent = words(clash.field, clash.mine);
    side.querySelector("[data-now]").textContent = words(clash.field, clash.now);
    for (const radio of side.querySelectorAll("input")) Object.assign(radio, { name: clash.field, required: true });
    part.querySelector("[data-clashes]").append(side);
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    for (const { field, mine } of outcome.clashes) {
      if (chosen.get(field) === "mine") {
        answer.said[field] = "wrong";
        answer.fixes[field] = mine;
      } else {
        answer.said[field] = "right";
        delete answer.fixes[field];
      }
    }
    // From here on it is an answer to the record as it was just shown.
    Object.assign(answer, { seen: outcome.now, version: outcome.version });
    await device.keepAnswer(answer, kept.owner, keys);
    await show();
    await sync(true);
  });
  return part;
}

const labels = Object.fromEntries([...document.getElementById("t-child").content.querySelectorAll("[data-asked]")].map((field) => [field.dataset.asked, field.querySelector("legend").textContent]));

function note(target, text) {
  const said = document.createElement("p");
  said.className = "notice notice--info";
  said.textContent = text;
  target.append(said);
}

async function one(listId, number) {
  const all = await everything();
  const place = all.lists.find(({ list }) => list.list_id === listId);
  const child = place?.list.children.find((item) => item.number === number && !item.done);
  if (!child) {
    location.replace("#");
    return;
  }
  const { list, keys, kept } = place;
  const answered = answeredOf(all, listId);
  const before = answered.get(child.child_id)?.answer;
  const part = made("t-child");
  part.querySelector("[data-who]").textContent = `${child.number}. ${child.texts.name || say("unclear")}`;
  part.querySelector("[data-progress]").append(progress(list, answered));
  const notes = part.querySelector("[data-notes]");
  if (before) note(notes, say("answered"));
  else if (child.last && child.last.result !== "met") note(notes, `${say("last", { day: child.last.on.split("-").reverse().join("/"), what: say(`result-${child.last.result}`) })} ${child.last.note}`);
  const form = part.querySelector("form");
  fill(form, child, before);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = read(form, event.submitter?.value ?? "met", child, listId);
    if (answer.result === "met" && !Object.values(answer.said).some((said) => said !== "unknown")) {
      notes.replaceChildren();
      note(notes, say("nothing-said"));
      notes.scrollIntoView();
      return;
    }
    if (answer.result === "met" && unclear(form, answer, child)) return;
    await device.keepAnswer(answer, kept.owner, keys, before?.id);
    const next = nextOf(list, new Set([...answered.keys(), child.child_id]), number);
    const goes = next ? `#/${listId}/${next}` : "#";
    if (location.hash === goes) await show();
    else location.hash = goes;
    sync();
  });
  const numbers = list.children.filter((item) => !item.done).map((item) => item.number);
  for (const [name, target] of [["before", numbers.filter((item) => item < number).at(-1)], ["after", numbers.find((item) => item > number)]]) {
    const link = part.querySelector(`[data-${name}]`);
    if (target) link.href = `#/${listId}/${target}`;
    else link.remove();
  }
  view.replaceChildren(part);
}

function fill(form, child, before) {
  for (const field of form.querySelectorAll("[data-asked]")) {
    const name = field.dataset.asked;
    field.querySelector("[data-known]").textContent = words(name, child.texts[name]);
    const fix = before?.fixes[name] ?? child.texts[name];
    if (!child.texts[name] && name !== "circumstances") {
      // What nobody knows cannot be right: it can be added.
      field.querySelector("[value=right]").closest("label").remove();
      field.querySelector("[value=wrong]").nextElementSibling.textContent = say("adds");
    }
    if (name === "circumstances") for (const box of field.querySelectorAll("[type=checkbox]")) box.checked = fix.split(",").includes(box.value);
    else field.querySelector(".field__input").value = fix;
    for (const radio of field.querySelectorAll("[type=radio]")) radio.checked = before?.said[name] === radio.value;
  }
  if (before) {
    form.elements.note.value = before.note;
    form.elements.method.value = before.method;
    form.elements.moved_to.value = before.moved_to ?? "";
  }
}

function read(form, result, child, listId) {
  const values = new FormData(form);
  const said = {};
  const fixes = {};
  for (const name of Object.keys(labels)) {
    if (result === "all") said[name] = "right";
    else if (values.get(`said.${name}`)) said[name] = values.get(`said.${name}`);
    if (said[name] === "wrong") fixes[name] = name === "circumstances" ? values.getAll("fix.circumstances").sort().join(",") : values.get(`fix.${name}`);
  }
  return {
    // Its own id, also where it takes another's place: that one may be on its way already.
    id: crypto.randomUUID(),
    list_id: listId,
    child_id: child.child_id,
    version: child.version,
    result: result === "all" ? "met" : result,
    given_at: new Date().toISOString(),
    method: values.get("method"),
    seen: child.texts,
    said,
    fixes,
    moved_to: result === "moved" ? values.get("moved_to") || null : null,
    note: values.get("note").trim(),
  };
}

const plain = (text) => text.normalize("NFC").split("\n").map((line) => line.trim().replace(/\s+/g, " ")).filter(Boolean).join("\n");

// Whether a text is a birth date as the server reads it: a day there is, a month of a year, or a year.
function isBirth(text) {
  const [year, month = 1, day = 1] = text.trim().split(/[/.\- ]/).map(Number).reverse();
  const made = new Date(Date.UTC(year, month - 1, day));
  return year > 1900 && year <= new Date().getFullYear() && made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
}

// What the server would refuse is said while the family is still there: beside the field, and that is where one goes on.
function unclear(form, answer, child) {
  let first = null;
  for (const field of form.querySelectorAll("[data-asked]")) {
    const name = field.dataset.asked;
    const fix = plain(answer.fixes[name] ?? "");
    const key = answer.said[name] !== "wrong" ? null
      : !fix && (field.dataset.mayEnd === undefined || !plain(child.texts[name])) ? "fix-missing"
      : fix === plain(child.texts[name]) ? "fix-unchanged"
      : name === "birth_date" && !isBirth(fix) ? "no-date" : null;
    field.querySelector("[data-wrong]")?.remove();
    field.classList.toggle("field--wrong", Boolean(key));
    if (!key) continue;
    const said = document.createElement("p");
    said.className = "field__error";
    said.dataset.wrong = "";
    said.setAttribute("role", "alert");
    said.textContent = `✕ ${say(key)}`;
    field.querySelector(".asked__fix").before(said);
    first ??= field.querySelector(".asked__fix input, .asked__fix textarea");
  }
  first?.focus();
  return first !== null;
}

async function show() {
  const [, listId, number] = location.hash.match(/^#\/([0-9a-f-]{36})\/(\d+)$/) ?? [];
  await (listId ? one(listId, Number(number)) : home());
  window.scrollTo(0, 0);
}

let trying = 0;
const FIRST_RETRY_MS = 5000;
const LAST_RETRY_MS = 300_000;

// Open what is locked and send what is queued, as far as the network and the session allow.
async function sync(asked = false) {
  clearTimeout(trying);
  if (!navigator.onLine && !asked) {
    line.textContent = say("offline");
    return;
  }
  try {
    const who = await session();
    // The server's clock counts, whatever this one says; and nobody sees what another person left open in this tab.
    await device.tidy(Date.parse(who.now));
    for (const kept of [...(await device.lists()), ...(await device.answers())]) if (kept.owner !== who.person) device.forgetKeys(kept.list_id ?? kept.id);
    for (const kept of [...(await device.lists()), ...(await device.answers())]) if (kept.owner === who.person) await unlock(kept.list_id ?? kept.id, who);
    const foreign = (await device.answers()).filter((kept) => kept.owner !== who.person).length;
    const taken = await sendAll();
    line.textContent = [taken ? say("sent", { n: taken }) : say("online"), foreign && say("foreign", { n: foreign })].filter(Boolean).join(" ");
    sync.wait = FIRST_RETRY_MS;
    if (!location.hash.startsWith("#/")) await show();
  } catch (error) {
    line.textContent = say(error.status === 401 ? "sign-in" : navigator.onLine ? "unsent" : "offline");
    if (error.status === 401) return;
    sync.wait = Math.min((sync.wait ?? FIRST_RETRY_MS) * 2, LAST_RETRY_MS);
    trying = setTimeout(sync, sync.wait);
  }
}

addEventListener("hashchange", show);
addEventListener("online", () => sync());
addEventListener("storage", (event) => {
  // Somebody signed out in another tab.
  if (event.key !== "vongtay-signed-out") return;
  sessionStorage.clear();
  show();
});
addEventListener("offline", () => (line.textContent = say("offline")));
document.addEventListener("submit", (event) => {
  if (event.target.getAttribute("action") === "/identity/sign-out" && !confirm(say("sign-out"))) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);
await device.tidy();
await show();
await sync();
if (location.hash.startsWith("#/")) await show();
setInterval(() => device.tidy(), 600_000);
