// What this tab knows of its session; it outlives a reload, and another tab has its own.

const KEY = "drrec.session";
const PATIENCE_MS = 1_000;

const REWARDS = { like: 1, dislike: -1, skip: 0 };

/** Of an answer, as the server counts it. */
export function rewardOf(answer) {
  return answer.feedback ? REWARDS[answer.feedback] : (answer.rating - 3) / 2;
}

/** {session, user, isKnown, liked, titles, pending, had, beside}, or null. */
export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export function keep(state) {
  sessionStorage.setItem(KEY, JSON.stringify(state));
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

/** A new session, as this tab keeps it. */
export function begun(made, liked, note) {
  const titles = Object.fromEntries(liked.map(({ item, title }) => [item, title]));
  return {
    session: made.session,
    user: made.user,
    note, // of whom it is for, in a few words
    isKnown: made.is_known,
    liked: liked.map(({ item }) => item),
    titles,
    pending: [], // answers that the server has not confirmed
    had: {}, // event -> places of the lists (0, 1) that had its item
    beside: false,
  };
}

/** An id that nobody else gives. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

let mine = null;

/**
 * Whether this tab may have a session: a duplicated tab copies what was kept, and both would
 * answer as one. Where the browser has no locks, it may.
 */
export async function isMine(session) {
  if (!navigator.locks || mine === session) return true;
  const name = `drrec ${session}`;
  const patience = { signal: AbortSignal.timeout(PATIENCE_MS) }; // a tab that reloads lets go late
  return new Promise((resolve) => {
    navigator.locks
      .request(name, patience, () => {
        mine = session;
        resolve(true);
        return new Promise(() => {}); // held as long as the tab lives
      })
      .catch(() => resolve(false));
  });
}
