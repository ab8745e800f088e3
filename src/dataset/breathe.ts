/** Lets the process do what else it has to: a page takes longer than a request should wait. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
