// What stands around the list: views, pill, selection, notice, the opened alert, and the dialogs.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { alertPath, write } from "./address.js";
import { KEYS } from "./keys.js";
import { bar, percent, safe } from "./row.js";
import { ago, clock, exact } from "./times.js";
import { sentence } from "./verdicts.js";

const COUNTED = { "": "open", "band:likely_actionable": "likely_actionable", "band:unsure": "unsure", "band:unscored": "unscored",
  "band:likely_noise": "likely_noise", "state:snoozed": "snoozed", "state:suppressed": "suppressed" };
export const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** The named views as links, with how many rows each has where the server counts them. */
export function views(list, query, counts) {
  return list.map((view) => {
    const current = query.view ? query.view === view.name : view.q === query.q && view.sort === query.sort;
    const count = counts[COUNTED[view.q]];
    return html`<a class="view" href=${write({ view: view.name })} data-view=${view.name} aria-current=${current ? "true" : nothing}
      >${safe(view.title)}${count === undefined ? nothing : html` <b>${number(count)}</b>`}</a>`;
  });
}

/** The two orders. */
export function orders(query) {
  const one = (sort, name) => html`<a href=${write({ ...query, view: "", sort })} data-sort=${sort}
    aria-current=${query.sort === sort ? "true" : nothing}>${name}</a>`;
  return html`<span class="orders" role="group" aria-label="Order">${one("time", "Newest")}${one("probability", "Likeliest")}</span>`;
}

/** `12 new, 2 likely actionable`. */
export function pill({ count, likely }, stale) {
  if (!count && !stale) return nothing;
  const text = stale && !count ? "This order is out of date" : `${number(count)} new${likely ? `, ${number(likely)} likely actionable` : ""}`;
  return html`<button class="pill" type="button" data-command="take">${text} <kbd>.</kbd></button>`;
}

/** What a verdict would be about, where more than one row is selected. */
export function selection(board, total) {
  const count = board.chosen;
  const all = !board.everything && total > board.selected.size
    ? html`<button type="button" data-command="selectAll">Select all ${number(total)} that match</button>` : nothing;
  return html`<span class="chosen"><b>${number(count)}</b> selected</span>
    <button type="button" class="first" data-command="acted">Acted on ${number(count)} <kbd>a</kbd></button>
    <button type="button" data-command="dismissed">Dismiss ${number(count)} <kbd>d</kbd></button>
    <button type="button" data-command="snooze">Snooze ${number(count)} <kbd>s</kbd></button>
    ${all}<button type="button" class="quiet" data-command="leave">Clear <kbd>Esc</kbd></button>`;
}

/** The most used keys. */
export function footer(writes, letters) {
  const names = ["next", "previous", "open", ...(writes ? ["acted", "dismissed", "snooze", "undo", "select"] : []), "search", "help"];
  return html`<span class="keys">${names.map((name) => html`<span><kbd>${KEYS[name].shown}</kbd> ${SHORT[name]}</span>`)}</span>
    <button type="button" class="quiet" data-command="letters" aria-pressed=${letters ? "true" : "false"}>Letter keys ${letters ? "on" : "off"}</button>`;
}
const SHORT = { next: "next", previous: "back", open: "open", acted: "acted", dismissed: "dismiss", snooze: "snooze", undo: "undo",
  select: "select", search: "search", help: "all keys" };

/** Whether the page is live, and what is away. */
export function live(feed, counts) {
  const [mark, text] = feed.paused ? ["paused", "paused"] : { live: ["on", "live"], away: ["off", "reconnecting…"] }[feed.state] ?? ["", "connecting…"];
  const share = counts.shown_share < 1 ? ` · 1 in ${number(Math.round(1 / counts.shown_share))} shown` : "";
  const model = counts.model ? html`<span class="model"> · model <bdi>${safe(counts.model)}</bdi></span>` : nothing;
  return html`<span class="dot ${mark}"></span><span>${text}<span class="rate"> · ${counts.per_minute == null ? "–" : number(counts.per_minute)} alerts/min</span>${share}${model}</span>`;
}

/** The last verdict, with its undo while there is time; or what went wrong. */
export function notice(current, seconds) {
  if (!current) return nothing;
  const undo = current.kind === "done" && seconds > 0
    ? html`<button type="button" data-command="undo">Undo <kbd>u</kbd> <span aria-hidden="true">${Math.ceil(seconds)} s</span></button>` : nothing;
  return html`<div class="notice ${current.kind}"><span>${safe(sentence(current))}</span>${undo}</div>`;
}

/** The head of an opened alert; what the server knows of it stands below. */
export function paneHead(row, view) {
  const close = html`<button type="button" class="close" data-command="leave" aria-label="Close the alert">✕</button>`;
  if (!row) return html`<div class="pane-bar">${close}</div>`;
  const place = [row.rule, row.entity, row.severity, row.team].filter(Boolean).map(safe);
  const machine = row.model ? html`<p class="machine">model <bdi>${safe(row.model)}</bdi>${
    row.scored_at ? html`, as of <time title=${exact(row.scored_at, view.utc)}>${clock(row.scored_at, view.now, view.utc)}</time>` : nothing} · evidence ${row.evidence ?? "none"}</p>` : nothing;
  return html`<div class="pane-bar"><a href=${alertPath(row)}>Whole page</a>${close}</div>
    <h2><bdi>${safe(row.title)}</bdi></h2>
    <p class="soft">${place.map((each, at) => html`${at ? " · " : nothing}<bdi>${each}</bdi>`)} ·
      raised <span title=${exact(row.raised_at, view.utc)}>${ago(row.raised_at, view.now)} ago</span>${
      row.firings > 1 ? `, ${row.firings} firings` : ""}</p>
    <div class="big ${row.probability === undefined || row.probability === null ? "unscored" : row.band}">
      <b>${percent(row.probability)}</b><span>${bar(row)}${row.words}</span></div>${machine}
    ${view.held ? html`<p class="changed">This alert changed. <button type="button" data-command="refresh">Show it as it is now</button></p>` : nothing}
    ${view.writes ? buttons(row) : nothing}`;
}

function buttons(row) {
  const given = (action) => (row.mark?.action === action ? "true" : "false");
  return html`<div class="buttons">
    <button type="button" class="first" data-command="acted" aria-pressed=${given("acted")}>Acted <kbd>a</kbd></button>
    <button type="button" data-command="dismissed" aria-pressed=${given("dismissed")}>Dismiss <kbd>d</kbd></button>
    <button type="button" data-command="snooze" aria-pressed=${row.snooze ? "true" : "false"}>Snooze <kbd>s</kbd></button></div>`;
}

/** A choice by number or click: `[value, text]` each; with a line for another one where `other` is its name. */
export function choices(title, options, other) {
  return html`<form method="dialog"><h2>${safe(title)}</h2>
    <div class="options">${options.map(([value, text], at) => html`<button type="button" value=${value} class="option"
      ><kbd>${at + 1}</kbd> ${safe(text)}</button>`)}</div>
    ${other ? html`<label class="other">${other} <span><input name="other" maxlength="200" autocomplete="off" />
      <button type="submit" class="first">Use it</button></span></label>` : nothing}
    <div class="end"><button type="button" class="quiet" value="">Cancel <kbd>Esc</kbd></button></div></form>`;
}

/** All keys. */
export function help(writes) {
  const shown = Object.values(KEYS).filter((key) => writes || !key.writes);
  return html`<form method="dialog"><h2>Keys</h2>
    <dl class="help">${shown.map((key) => html`<div><dt><kbd>${key.shown}</kbd></dt><dd>${key.help}</dd></div>`)}</dl>
    <p class="soft">The order of the list stays until you take the new alerts in. What your hand is on does not change.
      Letter keys can be switched off at the foot of the list.</p>
    <div class="end"><button type="submit" class="first" autofocus>Close <kbd>Esc</kbd></button></div></form>`;
}
