// What lies on the device: lists and answers, each sealed (AES-GCM) under a key that the server gives to the signed-in
// owner of the list. The keys live in the tab's session storage and nowhere else; in clear lie ids, days and states only.
// Lists and answers are two databases, because a sign-out deletes the one and must not lose the other.

const LISTS = "vongtay-field-lists";
const ANSWERS = "vongtay-field-answers";
const STORE = "kept";

function opened(name) {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id" });
    asked.onsuccess = () => {
      // A sign-out in another tab deletes the database; nothing here may hold it up.
      asked.result.onversionchange = () => asked.result.close();
      resolve(asked.result);
    };
    asked.onerror = () => reject(asked.error);
  });
}

async function within(name, mode, act) {
  const database = await opened(name);
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asked = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked?.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

const bytes = (text) => new TextEncoder().encode(text);
const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function sealed(key, place, value) {
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: bytes(place) }, key, bytes(JSON.stringify(value)));
  return { nonce, data };
}

// Null where it was changed, or another's key is tried.
async function unsealed(key, place, box) {
  try {
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: box.nonce, additionalData: bytes(place) }, key, box.data);
    return JSON.parse(new TextDecoder().decode(plain));
  } catch {
    return null;
  }
}

const slot = (listId) => `vongtay-field:${listId}`;

export function rememberKeys(listId, keys) {
  sessionStorage.setItem(slot(listId), JSON.stringify({ answers: keys.answers, list: keys.list }));
}

export function forgetKeys(listId) {
  sessionStorage.removeItem(slot(listId));
}

export async function keysOf(listId) {
  const kept = JSON.parse(sessionStorage.getItem(slot(listId)) ?? "null");
  if (!kept) return null;
  const key = (text) => text && crypto.subtle.importKey("raw", decoded(text), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { answers: await key(kept.answers), list: await key(kept.list) };
}

export async function keepList(list, keys) {
  const head = { id: list.list_id, owner: list.owner, until: list.until };
  const box = await sealed(keys.list, `list:${head.id}`, list);
  await within(LISTS, "readwrite", (store) => store.put({ ...head, ...box }));
}

export const lists = () => within(LISTS, "readonly", (store) => store.getAll());

export const openList = (kept, keys) => (keys.list ? unsealed(keys.list, `list:${kept.id}`, kept) : null);

export async function dropList(listId) {
  await within(LISTS, "readwrite", (store) => store.delete(listId));
}

// `state`: queued, conflict or refused.
async function rowOf(answer, owner, keys, outcome) {
  const box = await sealed(keys.answers, `answer:${answer.list_id}:${answer.id}`, { answer, outcome });
  return { id: answer.id, list_id: answer.list_id, child_id: answer.child_id, owner, state: outcome?.outcome ?? "queued", ...box };
}

// `instead`: the id of the earlier answer on the same child, which this one takes the place of.
export async function keepAnswer(answer, owner, keys, instead) {
  const row = await rowOf(answer, owner, keys, null);
  await within(ANSWERS, "readwrite", (store) => {
    if (instead && instead !== row.id) store.delete(instead);
    return store.put(row);
  });
}

// What became of an answer that was sent: gone where it was taken. One that was changed or dropped meanwhile is let be.
export async function settle(sent, answer, keys, outcome) {
  const row = outcome.outcome === "taken" ? null : await rowOf(answer, sent.owner, keys, outcome);
  await within(ANSWERS, "readwrite", (store) => {
    const asked = store.get(sent.id);
    asked.onsuccess = () => {
      if (String(asked.result?.nonce) !== String(sent.nonce)) return;
      if (row) store.put(row);
      else store.delete(sent.id);
    };
  });
}

export const answers = () => within(ANSWERS, "readonly", (store) => store.getAll());

export const openAnswer = (kept, keys) => unsealed(keys.answers, `answer:${kept.list_id}:${kept.id}`, kept);

export async function dropAnswer(answerId) {
  await within(ANSWERS, "readwrite", (store) => store.delete(answerId));
}

// Data that is too old goes, whether or not anybody can open it.
export async function tidy(now = Date.now()) {
  for (const kept of await lists()) {
    if (!(Date.parse(kept.until) > now)) {
      await dropList(kept.id);
    }
  }
}
