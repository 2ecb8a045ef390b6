// A row of the list, as pages/list.html draws it on the server: change both. Texts of the outside go through `safe` and into <bdi>.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { alertPath } from "./address.js";
import { ago, clock, exact, iso } from "./times.js";

const BAR = 88;
const STRIP = 16;
const TEXT_LENGTH = 300;
const FLAGS = {
  flood: "flood", visibility_only: "for information", late: "late", held_out: "held out", challenger_failed: "challenger failed",
  maintenance: "maintenance", cut: "cut", labels_cut: "labels cut", simulated: "simulated",
};
// C0 and C1 controls, zero-width characters, and what turns the direction of writing.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Outside text without characters that hide or turn it, and no longer than a line needs. */
export function safe(text) {
  const cut = text.length > TEXT_LENGTH ? `${text.slice(0, TEXT_LENGTH)}…` : text;
  return cut.replace(UNSAFE, " ");
}

/** `74 %`; an en dash where there is no number. Only certainty is 0 % or 100 %. */
export function percent(probability) {
  if (probability === null || probability === undefined) return "–";
  if (probability > 0 && probability < 0.005) return "<1 %";
  return probability >= 0.995 && probability < 1 ? ">99 %" : `${Math.round(probability * 100)} %`;
}

/** The bar of a score: thick where the alert is likely actionable, thin where it is noise, dotted where there is no score. */
export function bar(row) {
  const value = row.probability;
  if (value === null || value === undefined) {
    return html`<svg class="bar none" width="88" height="12" viewBox="0 0 88 12" aria-hidden="true"><line x1="1" y1="6" x2="87" y2="6" /></svg>`;
  }
  const thick = { likely_actionable: 10, unsure: 8 }[row.band] ?? 4;
  return html`<svg class="bar" width="88" height="12" viewBox="0 0 88 12" aria-hidden="true">
    <rect class="rail" x="0" y="4" width="88" height="4" rx="2" />
    <rect class="fill" x="0" y=${6 - thick / 2} width=${Math.max(Math.round(value * BAR), 2)} height=${thick} rx="2" />
  </svg>`;
}

/** The last outcomes, newest first: tall where people acted, low where not, a hollow dot where there was none yet. */
export function strip(last = []) {
  const shown = last.slice(0, STRIP);
  const acted = shown.filter(Boolean).length;
  const label = shown.length ? `last ${shown.length} outcomes, newest first: ${acted} acted on` : "no outcomes yet";
  return html`<svg class="strip" width="112" height="14" role="img" aria-label=${label}>
    <path class="empty" d=${marks(STRIP, (at) => at >= shown.length, 6, 2)} />
    <path class="noise" d=${marks(shown.length, (at) => !shown[at], 5, 4)} />
    <path class="acted" d=${marks(shown.length, (at) => shown[at], 1, 12)} />
  </svg>`;
}

function marks(count, wanted, top, height) {
  let path = "";
  for (let at = 0; at < count; at += 1) if (wanted(at)) path += `M${at * 7} ${top}h5v${height}h-5z`;
  return path;
}

/** What a row carries beside its title: its firings, and what is unusual about it. */
export function chips(row, view) {
  return html`${row.firings > 1 ? html`<span class="count">×${row.firings}</span>` : nothing}${
    (row.flags ?? []).map((flag) => html`<span class="chip">${FLAGS[flag] ?? flag}</span>`)}${
    view.held ? html`<span class="chip news">changed</span>` : nothing}`;
}

/** What became of a row: verdict, snooze, suppression, outcome, its end. */
export function fate(row, view) {
  return html`${row.mark ? html`<span class="fate">${verdictText(row.mark, view)}</span>` : nothing}${
    row.snooze ? html`<span class="fate">${snoozeText(row.snooze, view)}</span>` : nothing}${
    row.suppressed ? html`<span class="fate"><bdi>${safe(row.suppressed)}</bdi></span>` : nothing}${
    !row.mark && row.outcome ? html`<span class="fate">${outcomeText(row)}</span>` : nothing}${
    row.state === "ended" ? html`<span class="fate">ended</span>` : nothing}`;
}

function verdictText(mark, view) {
  const verb = mark.action === "acted" ? "✓ acted" : "✕ dismissed";
  const who = mark.person && mark.person !== view.person ? html` by <bdi>${safe(mark.person)}</bdi>` : nothing;
  const why = mark.reason ? html`: <bdi>${safe(mark.reason)}</bdi>` : nothing;
  return html`${verb}${who}${why}${mark.words ? ` · ${mark.words}` : nothing}`;
}

function snoozeText(snooze, view) {
  return snooze.until ? `snoozed until ${clock(snooze.until, view.now, view.utc)}` : "snoozed until it escalates";
}

function outcomeText(row) {
  const by = row.by ? `, by ${safe(row.by)}` : "";
  return `${{ actionable: "acted on", noise: "no action" }[row.outcome] ?? "outcome unknown"}${by}`;
}

/** The class names of a row. */
export function classes(row, view) {
  const band = row.probability === null || row.probability === undefined ? "unscored" : (row.band ?? "unscored");
  const state = row.state && row.state !== "open" ? "over" : "";
  const hand = `${view.cursor ? "cursor" : ""} ${view.selected ? "selected" : ""} ${view.opened ? "opened" : ""}`;
  return `row ${band} ${state} ${hand}`.replace(/ +/g, " ").trim();
}

/**
 * A row.
 * @param {object} row a Row of view.py, as Board.shown gives it
 * @param {object} view what surrounds it: at, total, now, utc, person, cursor, selected, opened, held, writes
 */
export function rowTemplate(row, view) {
  const title = safe(row.title);
  const place = [row.rule, row.entity, row.severity].filter(Boolean).map(safe);
  return html`<li class=${classes(row, view)} data-key=${row.key} aria-setsize=${view.total} aria-posinset=${view.at + 1}>
    <span class="pick">${view.writes
      ? html`<input type="checkbox" tabindex="-1" .checked=${view.selected} aria-label=${`Select ${title}`} />` : nothing}</span>
    <span class="score">${bar(row)}<b>${percent(row.probability)}</b><small title=${row.words}>${row.words}</small></span>
    <span class="what"><span class="line"
      ><a class="title" href=${alertPath(row)} tabindex=${view.cursor ? 0 : -1}><bdi>${title}</bdi></a>${chips(row, view)}</span
      ><small>${fate(row, view)}${place.map((each, at) => html`${at ? " · " : nothing}<bdi>${each}</bdi>`)}</small></span>
    <span class="last">${strip(row.last)}</span>
    <span class="team"><bdi>${safe(row.team)}</bdi></span>
    <time datetime=${iso(row.latest_at)} title=${exact(row.latest_at, view.utc)}
      >${ago(row.latest_at, view.now)}<small>${clock(row.latest_at, view.now, view.utc)}</small></time>
    ${row.firings > 1 ? html`<button class="more" tabindex="-1" aria-expanded=${view.expanded} aria-label=${
      `${row.firings} firings of ${title}`}><svg width="12" height="12" aria-hidden="true"><path d="M4 2l4 4-4 4" /></svg></button>` : nothing}
  </li>`;
}

/** A row whose place is known and whose content is on its way. */
export function placeholder(view) {
  return html`<li class="row waiting" aria-setsize=${view.total} aria-posinset=${view.at + 1}><span>…</span></li>`;
}

/** One firing of an opened episode. */
export function firingTemplate(firing, row, view) {
  const state = firing.ended_at ? `ended ${clock(firing.ended_at, view.now, view.utc)}` : "open";
  return html`<li class="row firing"><span class="pick"></span><span class="score"><b>${percent(firing.probability)}</b
      ><small>${firing.words ?? ""}</small></span>
    <span class="what"><span class="line"><a class="title" tabindex="-1" href=${alertPath({ ...firing, team: row.team })}
      ><bdi>${safe(firing.title)}</bdi></a></span><small>${state}${firing.outcome ? ` · ${outcomeText(firing)}` : ""}</small></span>
    <span class="last"></span><span class="team"></span>
    <time datetime=${iso(firing.raised_at)} title=${exact(firing.raised_at, view.utc)}
      >${ago(firing.raised_at, view.now)}<small>${clock(firing.raised_at, view.now, view.utc)}</small></time>
  </li>`;
}
