// The server: requests, and what can go wrong with them, in one sentence.

const TOKEN = "drrec.token";
const LONGEST_MS = 45_000;
const TRIES = 3;
const LONGEST_WAIT_S = 5;

/** What went wrong: `kind` is dead, busy, token, missing, full or other. */
export class Fault extends Error {
  constructor(kind, sentence, status = 0) {
    super(sentence);
    this.kind = kind;
    this.status = status;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** The JSON (or, with `as: "text"`, the text) of an answer; a busy server is asked again. */
export async function ask(path, { method = "GET", body, signal, as = "json" } = {}) {
  for (let tried = 1; ; tried += 1) {
    const answer = await fetched(path, method, body, signal);
    if (answer.ok) return answer.status === 204 ? null : answer[as]();
    const isBusy = answer.status === 429 || answer.status === 503;
    if (!isBusy || tried === TRIES) throw await faultOf(answer);
    await pause(waitOf(answer), signal);
  }
}

export const post = (path, body, signal) => ask(path, { method: "POST", body, signal });

async function fetched(path, method, body, signal) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.authorization = `Bearer ${token}`;
  const limit = AbortSignal.timeout(LONGEST_MS);
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Fault("dead", "The server does not answer.");
  }
}

async function faultOf(answer) {
  const line = await answer.json().then((found) => found.error, () => "");
  switch (answer.status) {
    case 401:
      return new Fault("token", "This server asks for its token.");
    case 404:
      return new Fault("missing", line);
    case 429:
      return new Fault("busy", "The server has too much to do at the moment.");
    case 503:
      return new Fault("busy", "The server cannot answer at the moment.");
    case 507:
      return new Fault("full", "The server has no room left to store your answer.");
    default:
      return new Fault(
        "other",
        line || `The server answers with status ${answer.status}.`,
        answer.status,
      );
  }
}

function waitOf(answer) {
  const given = Number(answer.headers.get("retry-after"));
  return 1000 * Math.min(LONGEST_WAIT_S, given > 0 ? given : 1);
}

/** Resolves after so many milliseconds. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
