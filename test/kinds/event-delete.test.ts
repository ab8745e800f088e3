import { exerciseAsked } from './exercise-asked.ts';

exerciseAsked('a service that reads from a bus');
