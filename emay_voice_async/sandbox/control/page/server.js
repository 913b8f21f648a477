// Requests to the control API of the service that serves this page.

export class ServiceError extends Error {}

async function answer(response) {
  const document = await response.json().catch(() => null);
  if (response.ok) return document;
  throw new ServiceError(document?.error?.message ?? `HTTP ${response.status}`);
}

export async function read(path) {
  return answer(await fetch(path, { headers: { accept: "application/json" } }));
}

export async function change(method, path, fields = {}) {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(path, { method, headers, body: JSON.stringify(fields) }));
}
