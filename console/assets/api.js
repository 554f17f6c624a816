// Questions to the API, and the live connection.

export class ApiError extends Error {
  constructor(message, problem) {
    super(message);
    this.problem = problem;
  }
}

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null));
  let response;
  try {
    response = await fetch(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { signal: AbortSignal.timeout(20000) });
  } catch (error) {
    throw new ApiError(error.name === "TimeoutError" ? "no answer within 20 s" : "no connection");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null) throw new ApiError(`HTTP ${response.status}`, body?.code ? body : undefined);
  return body;
}

// Calls `heard` with the name and data of every event, `lost` when the connection is gone, and then connects again. A page that nobody sees is not connected: a
// browser has six connections to a server, for all of its tabs together.
export function listen(heard, lost) {
  let source, silence, pause;
  const stop = () => {
    clearTimeout(silence);
    clearTimeout(pause);
    source?.close();
    source = undefined;
  };
  const again = () => {
    stop();
    lost();
    pause = setTimeout(connect, 2000);
  };
  // The server speaks at least every 10 s.
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(again, 25000);
  };
  function connect() {
    if (document.hidden || source) return;
    source = new EventSource("/api/v1/stream");
    for (const name of ["hello", "changed", "heartbeat"]) {
      source.addEventListener(name, (event) => {
        alive();
        heard(name, JSON.parse(event.data));
      });
    }
    source.onerror = again;
    alive();
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : connect()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", connect);
  connect();
}
