// Times for people: how long ago, and the exact time beside it in local time or UTC. Seconds since 1970 come in.

const STEPS = [[60, 1, "s"], [3_600, 60, "min"], [172_800, 3_600, "h"], [Infinity, 86_400, "d"]];
const pad = (number) => String(number).padStart(2, "0");

/** `38 s`, `4 min`, `3 h`, `12 d` between two times; never negative. */
export function ago(at, now) {
  const seconds = Math.max(now - at, 0);
  const [, unit, name] = STEPS.find(([below]) => seconds < below);
  return `${Math.floor(seconds / unit)} ${name}`;
}

/** The time of day, with the date in front where it is another day than `now`. */
export function clock(at, now, utc) {
  const [day, time] = parts(at, utc);
  return day === parts(now, utc)[0] ? time : `${day.slice(5)} ${time.slice(0, 5)}`;
}

/** The whole time, with its zone: `2026-03-01 10:00:00 UTC`. */
export function exact(at, utc) {
  return `${parts(at, utc).join(" ")} ${utc ? "UTC" : zone(at)}`;
}

export function iso(at) {
  return new Date(at * 1000).toISOString();
}

function parts(at, utc) {
  const date = new Date(at * 1000 - (utc ? 0 : new Date(at * 1000).getTimezoneOffset() * 60_000));
  return [date.toISOString().slice(0, 10), date.toISOString().slice(11, 19)];
}

function zone(at) {
  const minutes = -new Date(at * 1000).getTimezoneOffset();
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}
