// The API, as any other client uses it. The access token lives in memory only; the refresh token is a cookie that no
// script can read.
import { recovered, shared } from "./view.js";

const setting = name => document.querySelector(`meta[name=crm-${name}]`)?.content || "";
const BASE = new URL(setting("api") || "../api/v1/", document.baseURI).href.replace(/\/?$/, "/");
/** How users sign in: `own` by the CRM, `host` by a cookie of the host, `token` by an address that returns a token. */
export const MODE = setting("sign-in") || "own";
export const ACCENT = setting("accent");
const TOKEN_FROM = setting("token-from");
const GUARD = { "x-crm-request": "console" };

/** `undefined` until known, `null` if signed out, otherwise the signed-in user's id. */
export const session = shared(undefined);
/** `true` while a session has expired and requests wait for a new one. */
export const expired = shared(false);
/** `true` while the API cannot be reached. */
export const down = shared(false);

let token = null, renewing = null, waiting = [];

/** An error response, or status 0 if there was none. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || String(status));
    Object.assign(this, { errors: [], ...body, status });
  }
}

const isDown = status => status === 0 || status === 502 || status === 503 || status === 504;

async function send(method, url, { body, headers, signal } = {}) {
  let response;
  try {
    response = await fetch(url, {
      method, signal, credentials: "include", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { ...GUARD, accept: "application/json", ...(body !== undefined
        && { "content-type": "application/json" }), ...headers },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Problem(0, { code: "unreachable", detail: "The server cannot be reached." });
  }
  const text = await response.text();
  let read = {};
  try { read = text ? JSON.parse(text) : {}; } catch { /* not from the API, such as a page of a proxy */ }
  if (!response.ok) {
    if (isDown(response.status) && !read.code) lost();
    throw new Problem(response.status, read);
  }
  return { data: read.data, meta: read.meta || {}, etag: response.headers.get("etag"), body: read };
}

/** Tries every three seconds whether the API answers again. */
function lost() {
  if (down.get()) return;
  down.set(true);
  const again = setInterval(() => retry(), 3000);
  const stop = setInterval(() => { if (!down.get()) { clearInterval(again); clearInterval(stop); } }, 200);
}
export async function retry() {
  try {
    await fetch(new URL("kinds", BASE), { headers: GUARD, credentials: "include",
      cache: "no-store" }).then(response => {
      if (isDown(response.status)) throw new Error();
    });
  } catch { return; }
  if (!down.get()) return;
  down.set(false);
  if (session.get() === undefined) resume(); else recovered.set(recovered.get() + 1);
}

const channel = "BroadcastChannel" in window ? new BroadcastChannel("crm-" + BASE) : null;
channel?.addEventListener("message", ({ data }) => {
  if (data === "out" && session.get()) { token = null; end(); }
  if (data === "in" && (session.get() === null || expired.get())) resume();
});

function end() {
  waiting.splice(0).forEach(({ reject }) => reject(new Problem(401, { code: "signed_out", detail: "Signed out." })));
  expired.set(false);
  session.set(null);
}
function begin(data) {
  token = data.access_token || null;
  // Another user signed in while requests of the first one wait: those must not be sent.
  const other = session.get() && data.user && session.get() !== data.user.id;
  if (other) { location.reload(); return data; }
  session.set(data.user?.id || "host");
  expired.set(false);
  waiting.splice(0).forEach(({ resolve }) => resolve());
  return data;
}

/** One tab at a time: a refresh token can be used once. */
const inTurn = run => (navigator.locks ? navigator.locks.request("crm-refresh", run) : run());
function renew() {
  return renewing ??= inTurn(async () => {
    if (MODE === "own") return (await send("POST", BASE + "auth/refresh", { body: {} })).data;
    const { access_token } = MODE === "token" ? (await send("GET", new URL(TOKEN_FROM, document.baseURI).href)).body
      : {};
    const { data } = await send("GET", BASE + "me", { headers: access_token
      && { authorization: "Bearer " + access_token } });
    return { access_token, user: data.user };
  }).finally(() => { renewing = null; });
}

/** Goes on with the session of the cookie, if there is one. */
export async function resume() {
  try {
    begin(await renew());
  } catch (error) {
    if (isDown(error.status)) return;
    if (session.get()) expired.set(true); else session.set(null);
  }
}
export async function signIn(form) {
  const { data } = await send("POST", BASE + "auth/login", { body: { ...form, cookie: true } });
  begin(data);
  channel?.postMessage("in");
}
export async function register(form) {
  const { data } = await send("POST", BASE + "auth/register", { body: { ...form, cookie: true } });
  begin(data);
  channel?.postMessage("in");
}
/** A request without a session, below `auth/`. */
export const auth = (path, body) => send("POST", BASE + "auth/" + path, { body });
export async function signOut() {
  const out = MODE === "own" ? send("POST", BASE + "auth/logout", { body: {} }).catch(() => {}) : null;
  await out;
  token = null;
  channel?.postMessage("out");
  end();
}

/**
 * Calls the API. An expired access token is renewed; if the session has ended, the request waits until the user has
 * signed in again and is then sent. `path` is relative to `/api/v1/`, or begins with `/api/v1/`, as in `GET /kinds`.
 */
export async function call(method, path, { query, body, key, ifMatch, signal } = {}) {
  const given = query && new URLSearchParams(Object.entries(query).filter(([, value]) => value != null
    && value !== ""));
  const url = BASE + path.replace(/^.*\/api\/v1\//, "") + (given?.size ? "?" + given : "");
  const attempt = () => send(method, url, { body, signal, headers: {
    ...(token && { authorization: "Bearer " + token }), ...(key && { "idempotency-key": key }), ...(ifMatch
      && { "if-match": ifMatch }),
  } });
  for (let renewed = false; ;) {
    const used = token;
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 401 || session.get() === null) throw error;
      // Another request has renewed the token meanwhile.
      if (used !== token) continue;
      try {
        if (renewed) throw error;
        renewed = true;
        begin(await renew());
      } catch (refused) {
        if (isDown(refused.status)) throw refused;
        expired.set(true);
        await new Promise((resolve, reject) => waiting.push({ resolve, reject }));
        renewed = false;
      }
    }
  }
}
export const get = (path, query, signal) => call("GET", path, { query, signal });
/** An `Idempotency-Key`. Without TLS, browsers have no `randomUUID`. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), part => part.toString(36)).join("");
