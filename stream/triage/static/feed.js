// The server's batches: opened at the last one that is here, taken up again where they broke off, held while the page is paused.

const RETRY = [1_000, 2_000, 5_000, 10_000]; // milliseconds until the next attempt

export class Feed extends EventTarget {
  /** @param {number} seq the newest batch that is here */
  constructor(seq) {
    super();
    this.seq = seq;
    this.state = "connecting"; // connecting, live, away
    this.paused = false;
    this.waiting = []; // batches that came while paused, collapsed by row
    this.failures = 0;
  }

  open() {
    this.close();
    this.source = new EventSource(`/events?seq=${this.seq}`);
    this.source.addEventListener("open", () => this.become("live"));
    this.source.addEventListener("batch", (event) => this.arrived(JSON.parse(event.data)));
    this.source.addEventListener("reset", (event) => this.reset(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.failed());
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }

  become(state) {
    if (state === "live") this.failures = 0;
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** The browser itself comes back after a lost connection, with Last-Event-ID; not after an answer other than 200. */
  failed() {
    this.become("away");
    if (this.source.readyState !== EventSource.CLOSED) return;
    const wait = RETRY[Math.min(this.failures, RETRY.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), wait);
  }

  arrived(batch) {
    this.become("live");
    this.seq = batch.seq;
    if (this.paused) this.hold(batch);
    else this.give(batch);
  }

  give(batch) {
    this.dispatchEvent(Object.assign(new Event("batch"), { batch }));
  }

  reset({ seq }) {
    this.become("live");
    this.seq = seq;
    this.waiting = [];
    this.dispatchEvent(new Event("reset"));
  }

  hold(batch) {
    const [before] = this.waiting;
    const rows = new Map(before?.upsert.map((row) => [row.key, row]));
    for (const row of batch.upsert) rows.set(row.key, row);
    const gone = new Set([...(before?.gone ?? []), ...batch.gone]);
    for (const row of batch.upsert) gone.delete(row.key);
    for (const key of batch.gone) rows.delete(key);
    this.waiting = [{ ...batch, upsert: [...rows.values()], gone: [...gone] }];
  }

  pause() {
    this.paused = true;
    this.dispatchEvent(new Event("state"));
  }

  resume() {
    this.paused = false;
    for (const batch of this.waiting.splice(0)) this.give(batch);
    this.dispatchEvent(new Event("state"));
  }
}
