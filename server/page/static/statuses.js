// The closed list of statuses (docs/api.md): how each is shown, and what it means.

import { el } from "./dom.js";

const MEANINGS = {
  ACCEPTED: ["good", "The answer is right."],
  PARTIAL: ["part", "Some of the tests passed; the reward is their share."],
  WRONG_ANSWER: ["bad", "The answer was read and is wrong."],
  NO_ANSWER: ["bad", "No answer was found in the completion. That was judged: the reward is 0."],
  COMPILE_ERROR: ["bad", "The program does not compile."],
  RUNTIME_ERROR: ["bad", "The program ended with an error."],
  PREMATURE_EXIT: ["bad", "The program left before the tests were over."],
  TIME_LIMIT: ["limit", "The program used more time than it may."],
  MEMORY_LIMIT: ["limit", "The program used more memory than it may."],
  OUTPUT_LIMIT: ["limit", "The program printed more than it may."],
  PROCESS_LIMIT: ["limit", "The program started more processes than it may."],
  FORBIDDEN: ["bad", "The program tried what the jail denies, and that decided."],
  UNGRADABLE: ["none", "The task is at fault, not the completion: no reward, and no use in a retry."],
  UNDECIDED: ["none", "The check ran out of its own budget: no reward, and no use in a retry."],
  INTERNAL_ERROR: ["none", "The service is at fault: no reward, try again."],
  OVERLOADED: ["none", "The service is too busy: no reward, try again."],
  CANCELLED: ["none", "The request was given up: no reward, try again."],
  UNKNOWN_TESTS: ["none", "No test set of that hash is held: send the tests, then try again."],
};

export const STATUSES = Object.keys(MEANINGS);
export const tone = (status) => (MEANINGS[status] ?? ["none"])[0];
export const meaning = (status) => (MEANINGS[status] ?? ["", ""])[1];
export const words = (status) => status.toLowerCase().replaceAll("_", " ");
export const badge = (status) => el("span", { class: `badge ${tone(status)}` }, words(status));
