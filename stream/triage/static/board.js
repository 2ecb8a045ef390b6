// The list as data: a snapshot of the order, rows that update in place, what came since, and what the hand is on.
// Pure: no document, no clock, no network. Rows are those of stream/triage/view.py; a key names an episode.

/** The most pending and held rows that are kept; a list left alone for a day stays small. */
export const PENDING_LIMIT = 10_000;

export class Board {
  /** @param {object} page a RowPage: the first rows of a snapshot, and how many there are */
  constructor(page) {
    this.rows = new Map(); // key: the row as it is shown
    this.marks = new Map(); // key: a verdict or snooze that the server has not confirmed yet
    this.held = new Map(); // key: an update that waits until the hand is off the row
    this.pending = new Map(); // key: a row that the list takes in with the next snapshot
    this.selected = new Set();
    this.everything = false; // whether the selection is all rows of the snapshot
    this.cursor = null;
    this.opened = null;
    this.hovered = null;
    this.focused = false; // whether the keyboard is on the cursor's row
    this.anchor = null; // where a selection with Shift begins
    this.take(page);
  }

  /** Begin a new order. What is selected, opened and under the cursor stays. */
  take(page) {
    this.snapshot = page.snapshot;
    this.seq = this.begun = page.seq;
    this.recovered = false; // whether batches were lost since, so that `since` is not to be relied on
    this.counts = page.counts;
    this.total = page.total;
    this.order = new Array(page.total);
    this.index = new Map();
    const kept = new Set([...this.selected, this.opened, this.cursor].filter((key) => key !== null));
    for (const key of this.rows.keys()) if (!kept.has(key)) this.rows.delete(key);
    this.held.clear();
    this.pending.clear();
    this.everything = false;
    this.newest = 0;
    this.fill(page);
    if (this.cursor !== null && !this.index.has(this.cursor) && this.complete) this.cursor = null;
    this.cursor ??= this.order[0] ?? null;
  }

  /**
   * Put another part of the same snapshot where it belongs; a row that a batch already brought is not set back.
   * @param {object} page a RowPage
   * @param {number} asked how many rows it was asked for; places of rows that the server forgot become null
   */
  fill(page, asked = page.rows.length) {
    let at = page.offset;
    for (const row of page.rows) {
      if (this.index.has(row.key)) continue;
      this.order[at] = row.key;
      this.index.set(row.key, at);
      this.pending.delete(row.key);
      if (page.seq >= this.seq || !this.rows.has(row.key)) this.rows.set(row.key, row);
      this.newest = Math.max(this.newest, row.raised_at);
      at += 1;
    }
    for (; at < Math.min(page.offset + asked, this.total); at += 1) this.order[at] ??= null;
    this.known = this.order.reduce((count, key) => count + (key !== undefined), 0);
  }

  /** Whether every row of the snapshot is here. */
  get complete() {
    return this.known >= this.total;
  }

  /** The first range of `size` or fewer places between two places whose rows are not here; null: all are. */
  missing(from, to, size = 200) {
    for (let at = Math.max(from, 0); at < Math.min(to, this.total); at += 1) {
      if (this.order[at] === undefined) return { offset: at, limit: Math.min(size, this.total - at) };
    }
    return null;
  }

  /** Whether the hand is on a row: then nothing about it changes. */
  frozen(key) {
    return (
      this.selected.has(key) || key === this.opened || key === this.hovered || (this.focused && key === this.cursor)
    );
  }

  /**
   * Take a batch in: known rows change in place or wait, unknown ones that match wait for the next snapshot.
   * @param {object} batch a Batch
   * @param {(row: object) => boolean} matches whether the list's filter takes a row
   */
  apply(batch, matches) {
    this.seq = batch.seq;
    this.counts = batch.counts;
    for (const row of batch.upsert) this.upsert(row, matches);
    for (const key of batch.gone) this.forget(key);
  }

  upsert(row, matches) {
    if (this.rows.has(row.key)) {
      const isOwn = this.confirm(row);
      if (isOwn || !this.frozen(row.key)) this.answer([row]);
      else if (differs(this.rows.get(row.key), row)) this.held.set(row.key, row);
      else this.held.delete(row.key);
    } else if (matches(row) && this.isNew(row)) {
      if (this.pending.size < PENDING_LIMIT || this.pending.has(row.key)) this.pending.set(row.key, row);
    } else {
      this.pending.delete(row.key);
    }
  }

  /** Whether a row that is not here came in, or was open again, after the snapshot; else it waits there to be fetched. */
  isNew(row) {
    return this.complete || row.since > this.begun || (this.recovered && row.raised_at > this.newest);
  }

  /** Batches up to `seq` were lost: what came in with them is told by its time. */
  recover(seq) {
    this.begun = Math.max(this.begun, seq);
    this.recovered = true;
  }

  /** A row that the server forgot: it stays where it is, as one that ended. */
  forget(key) {
    this.pending.delete(key);
    const row = this.rows.get(key);
    if (row) this.upsert({ ...row, state: "ended", open: 0 }, () => false);
  }

  /** The server's own word about a row replaces what was shown in advance. @returns whether it is that word */
  confirm(row) {
    const mark = this.marks.get(row.key);
    const isOwn = Boolean(mark) && (row.mark?.id === mark.id || row.snooze?.id === mark.id);
    if (isOwn) this.marks.delete(row.key);
    return isOwn;
  }

  /** Rows of an answer to what this browser asked: they change at once, also under the hand. */
  answer(rows) {
    for (const row of rows) {
      this.confirm(row);
      this.held.delete(row.key);
      if (this.rows.has(row.key)) this.rows.set(row.key, row);
    }
  }

  /** Let the updates in that waited for rows the hand has left. @returns whether there were any */
  release() {
    let changed = false;
    for (const [key, row] of this.held) {
      if (this.frozen(key)) continue;
      this.rows.set(key, row);
      this.held.delete(key);
      changed = true;
    }
    return changed;
  }

  /** A row as it is shown: with the verdict or snooze that is not confirmed yet. */
  shown(key) {
    const row = this.rows.get(key);
    const mark = row && this.marks.get(key);
    if (!mark) return row;
    return mark.action === "snoozed" ? { ...row, snooze: mark, state: "snoozed" } : { ...row, mark, state: "decided" };
  }

  /** How many rows came since the snapshot, and how many of them are likely actionable. */
  news() {
    let likely = 0;
    for (const row of this.pending.values()) if (row.band === "likely_actionable") likely += 1;
    return { count: this.pending.size, likely };
  }

  /** Move the cursor by some rows. @returns the place it is at; -1 where the list is empty */
  move(by) {
    if (this.total === 0) return -1;
    const at = this.index.get(this.cursor) ?? (by > 0 ? -1 : 0);
    let to = Math.min(Math.max(at + by, 0), this.total - 1);
    while (this.order[to] === null && this.order[to + Math.sign(by)] !== undefined) to += Math.sign(by);
    if (this.order[to]) this.cursor = this.order[to];
    return to;
  }

  /** After a verdict: on to the next row that still waits for one, if there is any below. */
  goOn() {
    for (let at = (this.index.get(this.cursor) ?? -1) + 1; at < this.total; at += 1) {
      if (this.order[at] === null) continue;
      const row = this.order[at] && this.shown(this.order[at]);
      if (!row) break;
      if ((row.state ?? "open") === "open") return this.move(at - this.index.get(this.cursor));
    }
    return this.index.get(this.cursor) ?? -1;
  }

  /** Select a row or let it go; it becomes where a range begins. */
  toggle(key) {
    this.everything = false;
    if (!this.selected.delete(key)) this.selected.add(key);
    this.anchor = key;
  }

  /** Select all rows from where the selection began to this one. */
  extend(key) {
    const from = this.index.get(this.anchor ?? this.cursor ?? key);
    const to = this.index.get(key);
    if (from === undefined || to === undefined) return;
    this.anchor ??= this.order[from];
    for (let at = Math.min(from, to); at <= Math.max(from, to); at += 1) {
      if (this.order[at]) this.selected.add(this.order[at]);
    }
  }

  /** Select all rows of the snapshot, also those that are not here. */
  selectAll() {
    this.everything = true;
    for (const key of this.index.keys()) this.selected.add(key);
  }

  clearSelection() {
    this.selected.clear();
    this.everything = false;
    this.anchor = null;
  }

  /** The row that a key is about where none is selected: the opened one, else the cursor's. */
  get target() {
    return this.opened ?? this.cursor;
  }

  /** How many rows a verdict would be about now. */
  get chosen() {
    if (this.everything) return this.total;
    return this.selected.size || (this.target === null ? 0 : 1);
  }

  /** What a request names: a Choice of stream/triage/view.py. */
  choice() {
    if (this.everything) return { snapshot: this.snapshot };
    const keys = this.selected.size ? [...this.selected] : [this.target];
    return { keys: keys.filter((key) => key !== null) };
  }

  /** The keys here that a choice names. */
  keysOf(choice) {
    return choice.snapshot ? [...this.index.keys()] : choice.keys;
  }

  /** Show a verdict or snooze before the server knows of it; a row that has a verdict keeps it. */
  mark(keys, mark) {
    for (const key of keys) {
      const row = this.rows.get(key);
      if (row && (mark.action === "snoozed" || !row.mark)) this.marks.set(key, mark);
    }
  }

  /** Take back what was shown in advance. */
  unmark(id) {
    for (const [key, mark] of this.marks) if (mark.id === id) this.marks.delete(key);
  }
}

function differs(one, other) {
  return JSON.stringify(one) !== JSON.stringify(other);
}

/** The places that a viewport shows, with some above and below; never more than `limit`. */
export function visible({ top, height, rowHeight, total, overscan = 12, limit = 200 }) {
  const from = Math.max(Math.floor(top / rowHeight) - overscan, 0);
  const to = Math.min(Math.ceil((top + height) / rowHeight) + overscan, total, from + limit);
  return { from: Math.min(from, Math.max(to - 1, 0)), to };
}

/** How far to scroll so that a place can be seen; the present distance where it can be already. */
export function scrollTo(at, { top, height, rowHeight }) {
  if (at * rowHeight < top) return at * rowHeight;
  return (at + 1) * rowHeight > top + height ? (at + 1) * rowHeight - height : top;
}
