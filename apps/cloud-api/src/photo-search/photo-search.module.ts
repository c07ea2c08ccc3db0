import { Module } from '@nestjs/common';

import { PhotoIntakeModule } from '../http/photo-intake.module.js';
import { IdentificationModule } from '../identification/identification.module.js';
import { PeopleModule } from '../people/people.module.js';
import { PhotoSearch } from './photo-search.js';
import { ProbeSearch } from './probe-search.js';
import { SearchStore } from './search-store.js';
import { SearchesController } from './searches.controller.js';

@Module({
  imports: [IdentificationModule, PeopleModule, PhotoIntakeModule],
  controllers: [SearchesController],
  providers: [PhotoSearch, ProbeSearch, SearchStore],
})
export class PhotoSearchModule {}
