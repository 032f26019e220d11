// Users: sign-in and the links of emails, the own page, what administrators do with other users.
import { go, html, replace, say, store, stored, to, useLoad, useState } from "../lib/view.js";
import { auth, call, get, MODE, register, resume, session, signIn, signOut } from "../lib/api.js";
import { lang, setLanguage, t } from "../lib/i18n.js";
import { ago, discover, when, world } from "../lib/records.js";
import { Copyable, Dialog, Failure, Form } from "../parts/form.js";

const Page = ({ title, lead, children }) => html`<main class="sign-in" id="main"><div class="card">
  <div class="mark" aria-hidden="true"></div><h1 tabindex="-1">${title}</h1>${lead && html`<p class="soft">
    ${lead}</p>`}${children}</div></main>`;

/** The form of a sign-in. `organization` and `email` are remembered, the password is not. */
export function Credentials({ known = {} }) {
  const [error, fail] = useState(), [busy, wait] = useState(false), [code, ask] = useState(false);
  const last = { ...stored("account"), ...known };
  const submit = async event => {
    event.preventDefault();
    if (busy) return;
    const form = Object.fromEntries(new FormData(event.target));
    if (!form.code) delete form.code;
    wait(true);
    fail(null);
    try {
      store("account", { organization: form.organization, email: form.email });
      await signIn(form);
    } catch (problem) {
      wait(false);
      if (problem.code !== "code_required") return fail(problem);
      ask(true);
      requestAnimationFrame(() => document.querySelector("[name=code]")?.focus());
    }
  };
  return html`<form class="stack" onSubmit=${submit}><${Failure} error=${error} />
    <label>${t("Organization")}<input name="organization" required autocomplete="organization" autocapitalize="none"
      spellcheck=${false} defaultValue=${last.organization} value=${last.organization}
      data-focus=${last.organization ? null : ""} /></label>
    <label>${t("Email")}<input name="email" type="email" required autocomplete="username" defaultValue=${last.email}
      value=${last.email} /></label>
    <label>${t("Password")}<input name="password" type="password" required autocomplete="current-password"
      data-focus=${last.organization ? "" : null} /></label>
    ${code && html`<label>${t("Code of your authenticator app, or a recovery code")}<input name="code" required
      autocomplete="one-time-code" inputmode="text" /></label>`}
    <button class="main" aria-disabled=${busy}>${t("Sign in")}</button></form>`;
}

export function SignIn({ product }) {
  if (MODE !== "own") {
    return html`<${Page} title=${t("Sign in")}
      lead=${t("Sign in to the application that this page belongs to, then try again.")}>
      <button class="main" onClick=${resume}>${t("Try again")}</button></${Page}>`;
  }
  return html`<${Page} title=${t("Sign in")} lead=${product}><${Credentials} /><p class="foot">
    <a href=${to(["forgotten"])}>${t("Forgot your password?")}</a></p></${Page}>`;
}

/** Over the page when a session ends: what was typed stays, and waiting requests are then sent. */
export const SignInAgain = ({ known }) => html`<${Dialog} title=${t("Sign in again")} fixed>
  <p class="soft">${t("Your session has ended. Nothing you typed is lost: sign in to go on.")}</p>
  ${MODE === "own" ? html`<${Credentials} known=${known} />` : html`<button class="main" data-focus onClick=${resume}>
    ${t("Try again")}</button>`}</${Dialog}>`;

export function Forgotten() {
  const [sent, done] = useState(false);
  if (sent) return html`<${Page} title=${t("Check your email")}
    lead=${t("If the address belongs to a user, a link to set a new password is on its way.")}><p class="foot">
    <a href="#/">${t("Back to sign-in")}</a></p></${Page}>`;
  return html`<${Page} title=${t("Forgotten password")} lead=${t("We send you a link to set a new password.")}>
    <${Form} label=${t("Send the link")} send=${async form => { await auth("password/forgot", form); done(true); }}>
      <label>${t("Organization")}<input name="organization" required autocapitalize="none"
        defaultValue=${stored("account")?.organization} value=${stored("account")?.organization} /></label>
      <label>${t("Email")}<input name="email" type="email" required autocomplete="username" /></label></${Form}>
    <p class="foot"><a href="#/">${t("Back to sign-in")}</a></p></${Page}>`;
}

const Password = () => html`<label>${t("New password")}<input name="password" type="password" required minlength="8"
  autocomplete="new-password" /></label>
  <label>${t("New password again")}<input name="again" type="password" required autocomplete="new-password" /></label>`;
const checked = form => {
  if (form.password !== form.again) throw Object.assign(new Error(t("The two passwords differ.")), { errors: [] });
  return form.password;
};

/** An invitation or a reset: both set a password by a token that can be used once. */
export function SetPassword({ page, ticket, organization }) {
  const invited = page === "invitation";
  return html`<${Page} title=${invited ? t("Welcome") : t("New password")} lead=${invited
    ? t("Choose a password for your account.") : t("Choose a new password. All your sessions end.")}>
    <${Form} label=${t("Set the password")} send=${async form => {
      await auth(invited ? "invitation/accept" : "password/reset", { ticket, password: checked(form) });
      if (organization) store("account", { ...stored("account"), organization });
      go(["done"]);
    }}><${Password} /></${Form}></${Page}>`;
}
export const PasswordSet = ({ product }) => html`<${Page} title=${t("The password is set")}
  lead=${t("Sign in with it now.")}><${Credentials} /><p class="foot">${product}</p></${Page}>`;

const slugOf = name =>
  name.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);

/** The first organization of a server, by the link that its first run prints. */
export function Setup({ token }) {
  const [name, type] = useState(""), [slug, choose] = useState(null);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const send = async form => {
    const password = checked(form);
    await register({ setup_token: token || undefined, password,
      organization: { name: form.name, slug: slug ?? slugOf(name), base_currency: form.currency.toUpperCase(),
        time_zone: zone, locale: navigator.language },
      user: { email: form.email, first_name: form.first_name, last_name: form.last_name } });
    store("account", { organization: slug ?? slugOf(name), email: form.email });
    replace([]);
  };
  return html`<${Page} title=${t("Set up your CRM")}
    lead=${t("You become the first administrator. This link works once.")}>
    <${Form} label=${t("Create the organization")} send=${send}>
      <label>${t("Organization")}<input name="name" required autocomplete="organization" dir="auto" value=${name}
        onInput=${event => type(event.target.value)} /></label>
      <div class="two"><label>${t("Short name, for signing in")}<input name="slug" required pattern="[a-z0-9\\-]+"
        value=${slug ?? slugOf(name)} onInput=${event => choose(event.target.value)} /></label>
        <label>${t("Currency")}<input name="currency" required maxlength="3" minlength="3" defaultValue="EUR"
          value="EUR" /></label></div>
      <div class="two"><label>${t("First name")}<input name="first_name" required autocomplete="given-name"
        dir="auto" /></label>
        <label>${t("Last name")}<input name="last_name" required autocomplete="family-name" dir="auto" /></label></div>
      <label>${t("Email")}<input name="email" type="email" required autocomplete="username" /></label>
      <${Password} /></${Form}></${Page}>`;
}

export function applyTheme(theme = stored("theme")) {
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
}
export function setTheme(theme) {
  store("theme", theme);
  applyTheme(theme);
  dispatchEvent(new Event("crm-theme"));
}

const Choice = ({ label, value, options, change }) => html`<fieldset class="segments">
  <legend>${label}</legend>${options.map(([key, name]) => html`<label class=${value === key ? "on" : ""}>
  <input type="radio" name=${label} checked=${value === key} onChange=${() => change(key)} />
  ${name}</label>`)}</fieldset>`;

export function Profile() {
  const { user, organization } = world.get().me, [theme, pick] = useState(stored("theme") || "");
  return html`<main id="main" class="narrow"><h1 tabindex="-1" dir="auto">${user?.name || t("Profile")}</h1>
    <p class="soft"><bdi>${user?.email}</bdi> · <bdi>${organization?.name}</bdi></p>
    <section class="card stack" aria-label=${t("Appearance")}><h2>${t("Appearance")}</h2>
      <${Choice} label=${t("Language")} value=${lang()} options=${[["en", "English"], ["de", "Deutsch"]]}
        change=${code => { setLanguage(code); discover(); }} />
      <${Choice} label=${t("Theme")} value=${theme} options=${[["", t("As the system")], ["light", t("Light")], ["dark",
        t("Dark")]]} change=${key => { pick(key); setTheme(key); }} /></section>
    ${MODE === "own" && html`<${Security} /><${Sessions} />`}
    <p><button onClick=${signOut}>${t("Sign out")}</button></p></main>`;
}

const Current = () => html`<label>${t("Current password")}
  <input name="password" type="password" required autocomplete="current-password" data-focus /></label>`;
const Code = () => html`<label>${t("Code")}
  <input name="code" required inputmode="numeric" autocomplete="one-time-code" /></label>`;

function Security() {
  const [dialog, open] = useState(null), close = () => open(null);
  const Shown = { password: ChangePassword, factor: SecondFactor, remove: RemoveFactor }[dialog];
  return html`<section class="card stack" aria-label=${t("Security")}><h2>${t("Security")}</h2>
    <div class="row"><button onClick=${() => open("password")}>${t("Change the password")}</button>
      <button onClick=${() => open("factor")}>${t("Set up a second factor")}</button>
      <button onClick=${() => open("remove")}>${t("Remove the second factor")}</button></div>
    ${Shown && html`<${Shown} close=${close} />`}</section>`;
}

function ChangePassword({ close }) {
  const send = async ({ password, fresh }) => {
    await call("POST", "auth/password", { body: { current: password, new: fresh } });
    close();
    say(t("The password is changed; all other sessions have ended."));
  };
  return html`<${Dialog} title=${t("Change the password")} close=${close}>
    <${Form} label=${t("Change")} cancel=${close} send=${send}><${Current} /><label>${t("New password")}
      <input name="fresh" type="password" required autocomplete="new-password" /></label></${Form}></${Dialog}>`;
}

function SecondFactor({ close }) {
  const [factor, set] = useState(null), [codes, keep] = useState(null);
  const begin = async form => set((await call("POST", "auth/totp", { body: form })).data);
  const confirm = async form => keep((await call("POST", "auth/totp/confirm", { body: form })).data.recovery_codes);
  const first = html`<${Form} key="password" label=${t("Next")} cancel=${close} send=${begin}><${Current} /></${Form}>`;
  const second = () => html`<p>${t("Add this key to your authenticator app, then type the code it shows.")}</p>
    <${Copyable} label=${t("Key")} text=${factor.secret} />
    <p><a href=${factor.url}>${t("Open the authenticator app")}</a></p>
    <${Form} key="code" label=${t("Confirm")} cancel=${close} send=${confirm}><${Code} /></${Form}>`;
  const last = () => html`<p>${t("Keep these recovery codes. Each works once, in place of a code.")}</p>
    <pre class="codes" tabindex="0">${codes.join("\n")}</pre>
    <div class="row end"><button class="main" data-focus onClick=${close}>${t("Done")}</button></div>`;
  return html`<${Dialog} title=${t("Set up a second factor")} close=${close}>
    ${codes ? last() : factor ? second() : first}</${Dialog}>`;
}

function RemoveFactor({ close }) {
  const send = async form => {
    await call("POST", "auth/totp/remove", { body: form });
    close();
    say(t("The second factor is off."));
  };
  return html`<${Dialog} title=${t("Remove the second factor")} close=${close}>
    <${Form} label=${t("Remove")} danger cancel=${close} send=${send}><${Current} /><${Code} /></${Form}></${Dialog}>`;
}

/** The browser and the system of a `User-Agent`, such as “Firefox 140 · Windows”. */
function program(agent) {
  const [, name, version] = /(Firefox|Edg|OPR|Chrome|Version)\/(\d+)/.exec(agent || "") || [],
    system = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent);
  return name ? [name.replace("Version", "Safari") + " " + version, system].filter(Boolean).join(" · ")
    : agent?.slice(0, 60);
}

function Sessions() {
  const sessions = useLoad(async signal => (await get("auth/sessions", null, signal)).data, [session.use()]);
  const end = async id => { await call("DELETE", "auth/sessions/" + id); sessions.reload(); };
  return html`<section class="card stack" aria-label=${t("Sessions")}><h2>${t("Sessions")}</h2>
    <${Failure} error=${sessions.error} />
    <ul class="rows">${(sessions.value || []).map(one => html`<li key=${one.id}><span>
      <bdi title=${one.user_agent}>${program(one.user_agent) || t("Unknown program")}</bdi><small class="soft">
      <bdi>${one.address}</bdi> · ${ago(one.rotated_at || one.created_at)}</small></span>
      ${one.is_current ? html`<span class="tag">${t("This one")}</span>` : html`<button onClick=${() => end(one.id)}>
        ${t("End")}</button>`}</li>`)}</ul></section>`;
}

export function Invite({ close }) {
  const roles = useLoad(async signal => (await get("roles", { limit: 100, fields: "id,name,key" }, signal)).data, []);
  const send = async ({ role, email, ...names }) => {
    const { data } = await call("POST", "users/invitations", { body: { email, ...names, role_ids: [role] } });
    close();
    go(["user", data.id]);
  };
  return html`<${Dialog} title=${t("Invite a user")} close=${close}>
    <${Form} label=${t("Invite")} cancel=${close} send=${send}>
      <label>${t("Email")}<input name="email" type="email" required data-focus autocomplete="off" /></label>
      <div class="two"><label>${t("First name")}<input name="first_name" dir="auto" autocomplete="off" /></label>
        <label>${t("Last name")}<input name="last_name" dir="auto" autocomplete="off" /></label></div>
      <label>${t("Role")}<select name="role" required>
        ${(roles.value || []).map(one => html`<option value=${one.id}>${one.name}</option>`)}</select></label>
    </${Form}></${Dialog}>`;
}

const LINKS = { invitation: "Invitation link", password: "Password reset link" };

/** Links that an administrator passes on. Servers without these routes answer 404, then there is no such button. */
export function UserLinks({ user }) {
  const [shown, show] = useState(null), [error, fail] = useState(), [absent, miss] = useState(false);
  if (MODE !== "own" || absent || !world.get().may("user", "update") || user.archived_at) return null;
  const make = async page => {
    try {
      const path = `users/${user.id}/${page === "invitation" ? "invitation_link" : "reset_link"}`;
      const { data } = await call("POST", path, { body: {} });
      show({ page, ...data });
    } catch (problem) {
      // Whoever has a password and never signed in with it needs the other link.
      if (problem.errors?.some(one => one.code === "has_password")) return make("password");
      if (problem.status === 404 || problem.status === 405) miss(true); else { show({ page }); fail(problem); }
    }
  };
  const link = shown?.token && location.href.split("#")[0] + "#/" + shown.page + "/" + encodeURIComponent(shown.token);
  return html`<span class="row"><button onClick=${() => make(user.last_login_at ? "password" : "invitation")}>
    ${t(user.last_login_at ? LINKS.password : LINKS.invitation)}</button></span>
    ${shown && html`<${Dialog} title=${t(LINKS[shown.page])} close=${() => { show(null); fail(null); }}>
      <${Failure} error=${error} />
      ${link && html`<p>${t("Send this link to {name}. It works once and ends {when}.", { name: user.name || user.email,
        when: when(shown.expires_at) })}</p><${Copyable} text=${link} label=${t("Link")} />`}</${Dialog}>`}`;
}
