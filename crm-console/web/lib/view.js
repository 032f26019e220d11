// What every component uses: templates, hooks, shared values, loading, the route.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export { render, Fragment } from "../vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export const html = htm.bind(h);

/** A value that components share: `use()` renders the component again when it changes. */
export function shared(value) {
  const subscribers = new Set();
  return {
    get: () => value,
    set(next) { value = next; subscribers.forEach(tell => tell()); },
    use() {
      const [, again] = useState(0);
      useEffect(() => {
        const tell = () => again(count => count + 1);
        subscribers.add(tell);
        return () => subscribers.delete(tell);
      }, []);
      return value;
    },
  };
}

/** Counts up when the API answers again after an outage: everything loaded is then loaded again. */
export const recovered = shared(0);

/** A value once it has not changed for a while, in milliseconds. */
export function useSettled(value, wait) {
  const [settled, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), wait);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/**
 * Loads a value and aborts the request if `deps` change. Keeps the previous value while the next one is loading, and if
 * the API cannot answer: a page with something typed in it must not disappear.
 */
export function useLoad(load, deps) {
  const [state, set] = useState({ loading: true }), again = useRef(0), revival = recovered.use();
  const [version, bump] = useState(0);
  useEffect(() => {
    const abort = new AbortController(), turn = ++again.current;
    set(old => ({ ...old, error: null, loading: true }));
    Promise.resolve(load(abort.signal)).then(
      value => turn === again.current && set({ value, loading: false }),
      error => turn === again.current && error.name !== "AbortError"
        && set(old => {
          const value = [400, 403, 404].includes(error.status) ? undefined : old.value;
          return { value, error, loading: false };
        }),
    );
    return () => abort.abort();
  }, [...deps, version, revival]);
  return { ...state, reload: () => bump(count => count + 1), replace: value => set({ value, loading: false }) };
}

/** Runs the latest of many calls: one at a time, those in between are dropped. */
export function useLatest(run) {
  const state = useRef({});
  return argument => {
    const it = state.current;
    it.next = { argument };
    if (it.busy) return;
    it.busy = true;
    (async () => {
      while (it.next) {
        const { argument } = it.next;
        it.next = null;
        await run(argument, () => it.next).catch(() => {});
      }
      it.busy = false;
    })();
  };
}

function parse() {
  // Links of emails: `#reset=TOKEN&organization=acme`.
  const mailed = new URLSearchParams(location.hash.slice(1));
  for (const [name, page] of [["reset", "password"], ["invitation", "invitation"]]) {
    if (mailed.has(name)) return { path: [page, mailed.get(name)], query: { organization: mailed.get("organization")
      || "" } };
  }
  const [path, query] = location.hash.slice(1).split("?");
  return { path: path.split("/").filter(Boolean).map(decode), query: Object.fromEntries(new URLSearchParams(query)) };
}
function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}
export const route = shared(parse());
addEventListener("hashchange", () => route.set(parse()));

/** The address of a page: `to(["lead", id], { q: "x" })` is `#/lead/ID?q=x`. */
export function to(path, query = {}) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null
    && value !== "")).toString();
  return "#/" + path.map(encodeURIComponent).join("/") + (given && "?" + given);
}
export const go = (path, query) => { location.hash = to(path, query); };
/** As `go`, without an entry in the browser's history. */
export function replace(path, query) {
  history.replaceState(null, "", to(path, query));
  route.set(parse());
}

/** A short message at the foot of the page, read by screen readers. */
export const said = shared(null);
let silence;
export function say(text) {
  clearTimeout(silence);
  said.set(text);
  silence = setTimeout(() => said.set(null), 5000);
}

/** A setting of this browser. Storage can be forbidden, then it lasts as long as the page. */
const kept = new Map();
export function stored(name) {
  try { return JSON.parse(localStorage.getItem("crm." + name)) ?? kept.get(name) ?? null;
    } catch { return kept.get(name) ?? null; }
}
export function store(name, value) {
  kept.set(name, value);
  try { localStorage.setItem("crm." + name, JSON.stringify(value));
    } catch { /* the value lasts as long as the page */ }
}

const CHANNELS = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i;
const light = rgb => rgb.map(part => part / 255).map(part => (part <= 0.04045 ? part / 12.92
  : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((one, other) => other - one);
  return (x + 0.05) / (y + 0.05); };
const mix = (rgb, goal, part) => rgb.map((channel, at) => Math.round(channel + (goal[at] - channel) * part));

/** Sets the brand's colour, darkened or lightened until text on it and in it is readable (WCAG AA). */
export function accent(color) {
  const found = CHANNELS.exec(color || ""), { style, dataset } = document.documentElement;
  if (!found) return;
  const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const wash = dark ? [35, 43, 56] : [240, 243, 250], goal = dark ? [255, 255, 255] : [0, 0, 0];
  let rgb = found.slice(1).map(part => parseInt(part, 16));
  for (let step = 0; step < 20 && contrast(rgb, wash) < 4.8; step++) rgb = mix(rgb, goal, 0.1);
  style.setProperty("--main", `rgb(${rgb.join(" ")})`);
  style.setProperty("--main-ink", contrast(rgb, [255, 255, 255]) >= 4.5 ? "#fff" : "#10141a");
}
