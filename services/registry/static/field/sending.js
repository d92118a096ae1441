// Between the device and the server: who is signed in, what opens a list, and the queue of answers.

import * as device from "./device.js";

const API = "/registry/api/field";
const AT_ONCE = 50;

async function ask(path, token, body) {
  const answer = await fetch(API + path, {
    method: token ? "POST" : "GET",
    headers: { Accept: "application/json", ...(token && { "Content-Type": "application/json", "X-Form-Token": token }) },
    body: token ? JSON.stringify(body ?? {}) : undefined,
    redirect: "error",
    signal: AbortSignal.timeout(30_000),
  });
  if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
  return answer.json();
}

// Who is signed in, {person, form_token, now}. Throws with `status` 401 where nobody is, without one where there is no network.
export const session = () => ask("/session");

export async function takeKeys(listId, token) {
  const keys = await ask(`/lists/${listId}/keys`, token);
  device.rememberKeys(listId, keys);
  return device.keysOf(listId);
}

export async function download(listId) {
  const { form_token: token } = await session();
  const list = await ask(`/lists/${listId}/download`, token);
  const keys = await takeKeys(listId, token);
  await device.keepList(list, keys);
}

// Keys of a list: those of this tab, else the server's. Null: it is another person's, or nobody is signed in.
export async function unlock(listId, who) {
  const mine = await device.keysOf(listId);
  if (mine || !who) return mine;
  try {
    return await takeKeys(listId, who.form_token);
  } catch (error) {
    if (error.status === 404 || error.status === 403) return null;
    throw error;
  }
}

let turn = Promise.resolve(0);

// Send what is queued, one round at a time however often it is asked for. Out: how many were taken.
export function sendAll() {
  turn = turn.catch(() => 0).then(() => (navigator.locks ? navigator.locks.request("vongtay-field-sending", sendQueued) : sendQueued()));
  return turn;
}

async function sendQueued() {
  const queued = (await device.answers()).filter((kept) => kept.state === "queued");
  if (!queued.length) return 0;
  const who = await session();
  let taken = 0;
  for (const listId of new Set(queued.map((kept) => kept.list_id))) {
    const mine = queued.filter((kept) => kept.list_id === listId && kept.owner === who.person);
    const keys = mine.length ? await unlock(listId, who) : null;
    if (!keys) continue;
    for (let from = 0; from < mine.length; from += AT_ONCE) taken += await send(mine.slice(from, from + AT_ONCE), keys, who);
    await afterwards(listId, keys);
  }
  return taken;
}

async function send(part, keys, who) {
  const opened = [];
  for (const kept of part) {
    const found = await device.openAnswer(kept, keys);
    // What was tampered with on the device opens no more: it stays, and is shown as such.
    if (found) opened.push([kept, found.answer]);
  }
  if (!opened.length) return 0;
  const sent_at = new Date().toISOString();
  const { outcomes } = await ask("/answers", who.form_token, { answers: opened.map(([, answer]) => ({ ...answer, sent_at })) });
  let taken = 0;
  for (const [place, [kept, answer]] of opened.entries()) {
    const outcome = outcomes[place];
    if (outcome.outcome === "taken") {
      taken += 1;
      await emptied(kept, keys);
    }
    await device.settle(kept, answer, keys, outcome);
  }
  return taken;
}

// What was sent is needed on the device no more: of the child stays that it is done.
async function emptied(kept, keys) {
  const box = (await device.lists()).find((list) => list.id === kept.list_id);
  const list = box && (await device.openList(box, keys));
  if (!list) return;
  list.children = list.children.map((child) => (child.child_id === kept.child_id ? { child_id: child.child_id, number: child.number, done: true } : child));
  await device.keepList(list, keys);
}

async function afterwards(listId, keys) {
  const box = (await device.lists()).find((list) => list.id === listId);
  const list = box && (await device.openList(box, keys));
  const waits = (await device.answers()).some((kept) => kept.list_id === listId);
  if (list && !waits && list.children.every((child) => child.done)) await device.dropList(listId);
}
