// Verdicts and snoozes: shown at once, sent at once, undone while the server's time for it lasts. Pure but for `send`.

const PAST = { acted: "Acted on", dismissed: "Dismissed", snoozed: "Snoozed" };

export class Verdicts {
  /**
   * @param {import("./board.js").Board} board
   * @param {{send: Function, newId: Function, now: Function, person: string, undoSeconds: number}} around
   */
  constructor(board, around) {
    this.board = board;
    this.around = around;
    this.done = []; // what can be undone, oldest first
    this.notice = null; // the last thing to tell the person
  }

  /** Give a verdict (`acted`, `dismissed`) on a choice of rows. @returns a promise of the Answer; null where it failed */
  give(action, choice, reason = null) {
    const mark = { ...this.entry(action, choice), ...(reason ? { reason } : {}) };
    return this.begin(mark, choice, "/v1/verdicts", { id: mark.id, action, reason, ...choice });
  }

  /** Put rows off: `until` is hour, shift or escalates. */
  snooze(until, endsAt, choice) {
    const mark = { ...this.entry("snoozed", choice), until: endsAt };
    return this.begin(mark, choice, "/v1/snooze", { id: mark.id, until, ...choice });
  }

  entry(action) {
    const now = this.around.now();
    return { id: this.around.newId(), action, person: this.around.person, at: now, undo_until: now + this.around.undoSeconds };
  }

  async begin(mark, choice, path, body) {
    const keys = this.board.keysOf(choice);
    const count = choice.snapshot ? this.board.total : keys.length;
    this.board.mark(keys, mark);
    const entry = { id: mark.id, action: mark.action, count, until: mark.undo_until, keys, reason: mark.reason ?? null };
    this.done.push(entry);
    this.notice = { kind: "done", entry };
    entry.answer = this.around.send(path, body).then((answer) => this.answered(entry, answer), (error) => this.failed(entry, error));
    return entry.answer;
  }

  answered(entry, answer) {
    if (answer.undo_until) entry.until = answer.undo_until;
    entry.count = answer.count ?? 0;
    entry.words = answer.count === 1 ? (answer.rows?.[0]?.mark?.words ?? "") : "";
    if (!entry.undone) this.board.answer(answer.rows ?? []);
    const others = answer.conflicts ?? [];
    if (others.length) {
      for (const { key } of others) if (this.board.marks.get(key)?.id === entry.id) this.board.marks.delete(key);
      this.notice = { kind: "conflict", entry, others };
    }
    if (!entry.count) this.drop(entry);
    return answer;
  }

  failed(entry, error) {
    this.board.unmark(entry.id);
    this.drop(entry);
    this.notice = { kind: "error", text: `The ${entry.action === "snoozed" ? "snooze" : "verdict"} was not saved: ${error.message}` };
    return null;
  }

  drop(entry) {
    this.done = this.done.filter((each) => each !== entry);
  }

  /** Take the last verdict back. @returns its entry; null where there is nothing to undo */
  async undo() {
    this.expire();
    const entry = this.done.pop();
    if (!entry) return null;
    entry.undone = true;
    this.board.unmark(entry.id);
    this.notice = { kind: "undone", entry };
    await entry.answer;
    try {
      const answer = await this.around.send("/v1/undo", { id: entry.id });
      this.board.answer(answer.rows ?? []);
      if (answer.error) this.notice = { kind: "error", text: answer.error };
    } catch (error) {
      this.notice = { kind: "error", text: `It was not undone: ${error.message}` };
    }
    return entry;
  }

  /** Forget what can't be undone any more. @returns whether there was any */
  expire() {
    const over = this.done.filter((entry) => entry.until <= this.around.now());
    for (const entry of over) {
      this.board.unmark(entry.id); // by now the server has sent each row that took it
      this.drop(entry);
    }
    return over.length > 0;
  }

  /** The ids of what the server still holds back for an undo. */
  open() {
    this.expire();
    return this.done.map((entry) => entry.id);
  }
}

/** A notice as a sentence. */
export function sentence(notice) {
  if (notice.text) return notice.text;
  const { entry } = notice;
  const what = `${PAST[entry.action]} ${entry.count === 1 ? "1 alert" : `${entry.count.toLocaleString("en")} alerts`}`;
  if (notice.kind === "undone") return `Undone: ${what.toLowerCase()}`;
  if (notice.kind === "conflict") {
    const [first] = notice.others;
    const more = notice.others.length > 1 ? `, and ${notice.others.length - 1} more` : "";
    return `Somebody else just did: ${PAST[first.action].toLowerCase()} by ${first.person}${more}`;
  }
  return `${what}${entry.reason ? `: ${entry.reason}` : ""}${entry.words ? ` · ${entry.words}` : ""}`;
}
