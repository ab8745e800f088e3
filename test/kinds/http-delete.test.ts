import { exerciseAsked } from './exercise-asked.ts';

exerciseAsked('a service that is asked in few words');
exerciseAsked('a service that answers at once');
exerciseAsked('a service that acknowledges later');
