/** How a person or a supervisor ends a command that stays. */

/** Aborted by SIGINT or SIGTERM. A second one ends the process at once, as nothing is left to handle it. */
export function endingSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
