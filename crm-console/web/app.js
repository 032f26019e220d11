// The frame: what is shown for which address, the menu, shortcuts, the palette, and what lies over every page.
import { accent, go, html, render, route, said, to, useEffect, useRef, useState } from "./lib/view.js";
import { ACCENT, down, expired, resume, retry, session, signOut } from "./lib/api.js";
import { t, useLanguage, words } from "./lib/i18n.js";
import { discover, find, MAIN, world } from "./lib/records.js";
import { canCreate, Dialog, Failure } from "./parts/form.js";
import { Board } from "./pages/board.js";
import { List } from "./pages/list.js";
import { New, Record } from "./pages/record.js";
import { Forgotten, PasswordSet, SetPassword, Setup, SignIn, SignInAgain } from "./pages/account.js";
import { applyTheme, Profile, setTheme } from "./pages/account.js";

const title = document.title;
applyTheme();
accent(ACCENT);

/** The pages that need no session. */
function Outside({ path: [page, token], query }) {
  switch (page) {
    case "setup": return html`<${Setup} token=${token} />`;
    case "invitation": case "password": return html`<${SetPassword} key=${page} page=${page} ticket=${token}
      organization=${query.organization} />`;
    case "forgotten": return html`<${Forgotten} />`;
    case "done": return html`<${PasswordSet} product=${title} />`;
    default: return html`<${SignIn} product=${title} />`;
  }
}
const OUTSIDE = ["setup", "invitation", "password"];

function Page({ path: [page, id, third], query }) {
  const { kind, plural, all } = world.get();
  if (!page || page === "done") return html`<${Landing} />`;
  if (page === "me") return html`<${Profile} />`;
  if (page === "board" && kind(id)?.pipelines) {
    return html`<${Board} key=${id + third} kind=${kind(id)} pipeline=${third} query=${query} />`;
  }
  if (page === "new" && canCreate(kind(id))) return html`<${New} key=${id} kind=${kind(id)} />`;
  if (plural(page) && !id) return html`<${List} key=${page} kind=${plural(page)} query=${query} />`;
  if (kind(page) && id) return html`<${Record} key=${id} kind=${kind(page)} id=${id} query=${query} />`;
  return html`<main id="main"><h1 tabindex="-1">${t("Not found")}</h1>
    <p>${t("There is no such page, or you may not see it.")}</p>
    <p><a href=${to([all[0]?.plural || ""])}>${t("Go on")}</a></p></main>`;
}

function Landing() {
  useEffect(() => {
    const first = MAIN.map(name => world.get().kind(name)).find(Boolean) || world.get().all[0];
    location.replace(to(first ? [first.plural] : ["me"]));
  }, []);
  return html`<main id="main" aria-busy="true"></main>`;
}

function Menu({ path: [page, id], jump }) {
  const { all, kind, me } = world.get();
  const entry = (href, name, current) => html`<li key=${href}>
    <a href=${href} aria-current=${current ? "page" : null}>${name}</a></li>`;
  const isAt = one => page === one.plural || page === one.kind || (page === "new" && id === one.kind);
  const list = one => entry(to([one.plural]), words(one.plural), isAt(one));
  const board = one => entry(to(["board", one.kind]), boardOf(one), page === "board" && id === one.kind);
  const main = MAIN.map(kind).filter(Boolean), rest = all.filter(one => !MAIN.includes(one.kind));
  const { branding, name } = me.organization || {};
  return html`<aside><a class="brand" href="#/" dir="auto">${branding?.product_name || name || title}</a>
    <button class="jump" onClick=${jump}>${t("Jump to")}<kbd>Ctrl K</kbd></button>
    <nav aria-label=${t("Main menu")}><ul>${main.map(list)}</ul>
      <ul>${all.filter(one => one.pipelines?.length).map(board)}</ul>
      <details open=${rest.some(isAt)}><summary>${t("More")}</summary><ul>${rest.map(list)}</ul></details></nav>
    <div class="self"><a href=${to(["me"])} aria-current=${page === "me" ? "page" : null}>
      <bdi>${me.user?.name || t("Profile")}</bdi></a>
      <button class="link" onClick=${signOut}>${t("Sign out")}</button></div></aside>`;
}
const boardOf = kind => t("Board: {kind}", { kind: words(kind.plural) });

/** Over every page: no connection, messages, an expired session. */
function Overlays() {
  const lost = down.use(), message = said.use(), over = expired.use(), me = world.get()?.me;
  const known = me?.user && { organization: me.organization?.slug, email: me.user.email };
  return html`${lost && html`<div class="down" role="alert">
      <span>${t("The server cannot be reached. What you typed is kept.")}</span> <button onClick=${retry}>
        ${t("Try again")}</button></div>`}
    <div class="said" role="status" aria-live="polite">${message && html`<p>${message}</p>`}</div>
    ${over && html`<${SignInAgain} known=${known} />`}`;
}

/** What the palette offers besides records. */
function commands(open) {
  const { all, kind } = world.get(), main = MAIN.map(kind).filter(Boolean);
  const list = one => ({ label: words(one.plural), run: () => go([one.plural]) });
  const board = one => ({ label: boardOf(one), run: () => go(["board", one.kind]) });
  const create = one => ({ label: t("New {kind}", { kind: words(one.kind) }), run: () => go(["new", one.kind]) });
  return [
    ...main.flatMap(one => [list(one), one.pipelines && board(one), canCreate(one) && create(one)].filter(Boolean)),
    ...all.filter(one => !MAIN.includes(one.kind)).map(list),
    { label: t("Profile"), run: () => go(["me"]) },
    { label: t("Dark"), note: t("Theme"), run: () => setTheme("dark") },
    { label: t("Light"), note: t("Theme"), run: () => setTheme("light") },
    { label: t("Shortcuts"), run: () => open("keys") },
    { label: t("Sign out"), run: signOut },
  ];
}

const TYPING = "input,textarea,select,dialog,[contenteditable]";
function shortcut(event, open) {
  if (!world.get()) return;
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open("palette");
  }
  if (control || event.altKey || event.target.closest?.(TYPING)) return;
  if (event.key === "?") open("keys");
  if (event.key === "/" || event.key === "f") {
    event.preventDefault();
    dispatchEvent(new CustomEvent("crm-key", { detail: event.key }));
  }
  if (event.key === "n") {
    const { path: [page, id] } = route.get(), { plural, kind: named } = world.get();
    const kind = plural(page) || named(page === "board" ? id : page);
    if (canCreate(kind) && kind.kind !== "user") go(["new", kind.kind]);
  }
}

function App() {
  const user = session.use(), at = route.use(), [dialog, open] = useState(null), [error, fail] = useState();
  const known = world.use(), ready = user && known, lost = down.use(), close = () => open(null);
  useLanguage();
  const brand = () => accent(ACCENT || world.get()?.me.organization?.branding?.color);
  const load = () => discover().then(() => { fail(null); brand(); }, fail);
  useEffect(() => {
    const keys = event => shortcut(event, open), scheme = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("keydown", keys);
    addEventListener("crm-theme", brand);
    scheme.addEventListener("change", brand);
    resume();
  }, []);
  useEffect(() => { if (user) load(); else world.set(null); }, [user]);
  // A new page begins at its heading, for readers of the screen, too.
  useEffect(() => {
    if (!ready) return;
    scrollTo(0, 0);
    const timer = setTimeout(() => {
      const heading = document.querySelector("main h1"), focus = document.activeElement;
      if (heading) document.title = heading.textContent.trim() + " · " + title;
      if (focus === document.body || focus?.closest("aside,.table")) heading?.focus({ preventScroll: true });
    }, 300);
    return () => clearTimeout(timer);
  }, [at.path.join("/"), !!ready]);
  if (user === undefined) return html`<p class="boot" role="status">${lost ? "" : t("Loading…")}</p><${Overlays} />`;
  if (!user || OUTSIDE.includes(at.path[0])) return html`<${Outside} ...${at} /><${Overlays} />`;
  if (!ready) {
    return html`${!error ? html`<p class="boot" role="status">${t("Loading…")}</p>`
      : html`<main class="sign-in" id="main"><div class="card"><h1>${t("Error")}</h1><${Failure} error=${error} />
        <button onClick=${load}>${t("Try again")}</button></div></main>`}<${Overlays} />`;
  }
  const skip = event => { event.preventDefault(); document.querySelector("main h1")?.focus(); };
  return html`<a class="skip" href="#main" onClick=${skip}>${t("Skip to content")}</a>
    <${Menu} path=${at.path} jump=${() => open("palette")} /><${Page} ...${at} />
    ${dialog === "palette" && html`<${Palette} commands=${commands(open)} close=${close} />`}
    ${dialog === "keys" && html`<${Shortcuts} close=${close} />`}<${Overlays} />`;
}

/** Jumps to a page or a record by a few letters. */
function Palette({ close, commands }) {
  const [typed, type] = useState(""), [found, set] = useState([]), [at, move] = useState(0), abort = useRef();
  useEffect(() => {
    abort.current?.abort();
    const { signal } = abort.current = new AbortController();
    set([]);
    if (typed.trim().length < 2) return;
    const look = kind => find(kind, typed, signal, 4).then(all => set(old => [...old, ...all]), () => {});
    const timer = setTimeout(() => MAIN.map(world.get().kind).filter(Boolean).forEach(look), 120);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => document.getElementById("jump-" + at)?.scrollIntoView({ block: "nearest" }), [at]);
  const fits = commands.filter(one => one.label.toLowerCase().includes(typed.trim().toLowerCase()));
  const records = found.map(({ name, kind, id }) => ({ label: name, note: words(kind), run: () => go([kind, id]) }));
  const all = [...fits.slice(0, typed ? 6 : 12), ...records];
  const run = one => { close(); one?.run(); };
  const keys = event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) move((at + step + all.length) % Math.max(1, all.length));
    if (event.key === "Enter") run(all[at]);
    if (step || event.key === "Enter") event.preventDefault();
  };
  return html`<${Dialog} title=${t("Jump to")} close=${close}><div class="palette">
    <input data-focus role="combobox" aria-expanded="true" aria-controls="jump-all" autocomplete="off" dir="auto"
      aria-activedescendant=${"jump-" + at} aria-label=${t("Jump to")} value=${typed} onKeyDown=${keys}
      placeholder=${t("A page, a person, a company, a deal …")}
      onInput=${event => { type(event.target.value); move(0); }} />
    <ul id="jump-all" role="listbox" aria-label=${t("Results")}>
      ${all.map((one, index) => html`<li key=${index} id=${"jump-" + index} role="option" aria-selected=${index === at}
          onMouseMove=${() => move(index)} onClick=${() => run(one)}>
        <bdi>${one.label}</bdi>${one.note && html`<small>${one.note}</small>`}</li>`)}</ul></div></${Dialog}>`;
}

const KEYS = [
  ["Ctrl K", "Jump to a page or a record"], ["/", "Search the list"], ["f", "Add a filter"], ["n", "New record"],
  ["← →", "Move the time slider, when it has the focus"], ["Esc", "Close a dialog, leave a field"], ["?", "This list"],
];
const Shortcuts = ({ close }) => html`<${Dialog} title=${t("Shortcuts")} close=${close}><dl class="keys">
  ${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(what)}</dd></div>`)}</dl></${Dialog}>`;

render(html`<${App} />`, document.getElementById("app"));
