import { exerciseAsked } from './exercise-asked.ts';

exerciseAsked('files below a prefix');
exerciseAsked('files below a prefix, with versions');
