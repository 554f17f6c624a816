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

// Calls `heard` with the name and data of every event, `lost` when the connection is gone; connects again until told to stop.
export function listen(heard, lost) {
  const connect = () => {
    const source = new EventSource("/api/v1/stream");
    let timer;
    const again = () => {
      clearTimeout(timer);
      source.close();
      lost();
      setTimeout(connect, 2000);
    };
    // The server speaks at least every 10 s.
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(again, 25000);
    };
    for (const name of ["hello", "changed", "heartbeat"]) {
      source.addEventListener(name, (event) => {
        alive();
        heard(name, JSON.parse(event.data));
      });
    }
    source.onerror = again;
    alive();
  };
  connect();
}
