// Requests to the server that served the page, and to no other.

const KEY = "reward-api-key";

export const apiKey = () => sessionStorage.getItem(KEY) ?? "";

export function keepApiKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

// A fault that the server named (`code`, `field`), or one of the connection (`code` is empty).
export class Fault extends Error {
  constructor(message, code = "", field = "", status = 0) {
    super(message);
    Object.assign(this, { code, field, status });
  }
}

export async function ask(path, { body, signal } = {}) {
  const headers = { accept: "application/json" };
  if (apiKey()) headers.authorization = `Bearer ${apiKey()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let response, text;
  try {
    response = await fetch(path, { method, headers, body, signal, cache: "no-store", redirect: "error" });
    text = await response.text();
  } catch (error) {
    throw new Fault(error.name === "AbortError" ? "stopped" : "the server does not answer");
  }
  return parsed(response, text);
}

function parsed(response, text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault(`HTTP ${response.status}, and no JSON`, "", "", response.status);
  }
  if (response.ok) return value;
  if (response.status === 401) window.dispatchEvent(new Event("unauthenticated"));
  throw new Fault(value.detail ?? response.statusText, value.code, value.field, response.status);
}
