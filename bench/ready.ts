/** What a contender brings with it before the clock starts. */
export type Ready = {
  /** From the request to the last commit. Further figures of its own, in the units that their names say. */
  erase: () => Promise<Record<string, number>>;
  /** Highest resident memory of a worker process in MiB. */
  memory?: () => number;
  stop?: () => Promise<void>;
};
