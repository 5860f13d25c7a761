// Play: a session that goes on where it was, or the choice of whom one is for.

import { ask, Fault } from "./api.js";
import * as notice from "./notice.js";
import { forget, isMine, keep, kept } from "./session.js";
import { stage } from "./stage.js";
import { start } from "./start.js";

export async function show(root, signal) {
  const state = kept();
  if (state && (await isMine(state.session))) await resume(root, signal, state);
  else await begin(root, signal);
}

async function begin(root, signal) {
  forget();
  await start(root, signal, async (state) => {
    keep(state);
    await isMine(state.session);
    await resume(root, signal, state);
  });
}

async function resume(root, signal, state) {
  const anew = () => begin(root, signal);
  try {
    const history = await ask(`/v1/sessions/${encodeURIComponent(state.session)}/history`, {
      signal,
    });
    await stage(root, signal, state, history, anew);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Fault)) throw error;
    if (error.kind === "missing") {
      const gone = new Fault("missing", "This session is no longer on the server.");
      notice.tell(gone, "Start a new one", anew);
    } else notice.tell(error, "Try again", () => resume(root, signal, state));
  }
}
